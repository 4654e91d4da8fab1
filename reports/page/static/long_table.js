"use strict";
// A table of any length of which only the lines in view exist. All lines are equally high.

const LINES_BEYOND = 12;

class LongTable {
  /** `line(number)` gives the `tr` of a line; `scroller` is the element that scrolls, around the table. */
  constructor(scroller, line) {
    this.scroller = scroller;
    this.table = scroller.querySelector("table");
    this.body = scroller.querySelector("tbody");
    this.line = line;
    this.lines = 0;
    this.shown = "";
    scroller.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  /** Show so many lines, from the top. */
  show(lines) {
    this.lines = lines;
    this.shown = "";
    this.table.setAttribute("aria-rowcount", lines + 1);
    this.scroller.scrollTop = 0;
    this.draw();
  }

  draw() {
    const height = parseFloat(getComputedStyle(this.table).getPropertyValue("--line"));
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - LINES_BEYOND);
    const visible = Math.ceil(this.scroller.clientHeight / height) + 2 * LINES_BEYOND;
    const last = Math.min(this.lines, first + visible);
    if (this.shown === `${first}-${last}`) return;
    this.shown = `${first}-${last}`;
    const lines = [];
    for (let number = first; number < last; number++) {
      const made = this.line(number);
      made.setAttribute("aria-rowindex", number + 2);
      lines.push(made);
    }
    this.body.replaceChildren(spacer(first * height), ...lines, spacer((this.lines - last) * height));
  }
}

/** What stands for the lines that do not exist. */
function spacer(height) {
  return element("tr", { "aria-hidden": "true", className: "spacer", style: `height:${height}px` });
}
