"use strict";
// The decision trace as a strip: a line per branch, a bar per call, as high as there was work in it. Heights say the same
// as colours, so that the strip also reads in gray.

const ACTIONS = {
  compute: { text: "computed", height: 1 },
  partial: { text: "partly computed", height: 0.7 },
  predict: { text: "predicted", height: 0.45 },
  reuse: { text: "reused", height: 0.2 },
};

/** One strip: a slider over the steps, whose value is told in words. `onStep(step)` is called when the reader moves it. */
class TraceStrip {
  constructor(trace, name, onStep) {
    this.trace = trace;
    this.last = Math.max(...trace.flatMap((branch) => branch.steps));
    this.cursors = [];
    this.readout = element("p", { className: "readout" }, summary(trace));
    const branches = trace.map((branch) => this.branch(branch));
    this.strip = element(
      "div",
      {
        className: "strip",
        tabIndex: 0,
        role: "slider",
        "aria-label": `What ${name} did at each step`,
        "aria-valuemin": "0",
        "aria-valuemax": String(this.last),
        "aria-valuenow": "0",
        "aria-valuetext": summary(trace),
      },
      branches,
    );
    this.strip.onpointermove = this.strip.onpointerdown = (event) => onStep(this.stepAt(event.clientX));
    this.strip.onpointerleave = () => onStep(null);
    this.strip.onkeydown = (event) => {
      const now = Number(this.strip.getAttribute("aria-valuenow"));
      const wanted = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: this.last }[event.key];
      if (wanted === undefined) return;
      event.preventDefault();
      onStep(Math.min(this.last, Math.max(0, wanted)));
    };
    this.element = element("div", { className: "trace" }, this.strip, this.readout);
  }

  /** Point at a step of which all strips tell at once; null tells the sums again. */
  point(step) {
    const shown = step !== null && step <= this.last;
    for (const cursor of this.cursors) {
      cursor.style.display = shown ? "" : "none";
      if (shown) cursor.setAttribute("x", step);
    }
    const text = shown ? this.told(step) : summary(this.trace);
    this.readout.textContent = text;
    this.strip.setAttribute("aria-valuenow", String(shown ? step : 0));
    this.strip.setAttribute("aria-valuetext", text);
  }

  stepAt(x) {
    const { left, width } = this.strip.querySelector("svg").getBoundingClientRect();
    const step = Math.floor(((x - left) / width) * (this.last + 1));
    return Math.min(this.last, Math.max(0, step));
  }

  told(step) {
    const calls = this.trace.flatMap((branch) =>
      branch.steps.flatMap((at, call) => (at === step ? [callText(branch, call)] : [])),
    );
    return `Step ${step}: ${calls.join("; ") || "no call"}`;
  }

  branch(branch) {
    const cursor = drawing("rect", { class: "cursor", y: 0, width: 1, height: 1, style: "display:none" });
    this.cursors.push(cursor);
    const bars = branch.steps.map((step, call) => {
      const { height } = ACTIONS[branch.actions[call]];
      // A branch that was called several times in one step shares the step's width.
      const calls = branch.steps.filter((at) => at === step).length;
      const before = branch.steps.slice(0, call).filter((at) => at === step).length;
      const width = 1 / calls;
      return drawing("rect", {
        class: branch.actions[call],
        x: step + before * width,
        y: 1 - height,
        width: width * 0.88,
        height,
      });
    });
    return element(
      "div",
      { className: "branch" },
      element("span", {}, branch.branch),
      drawing(
        "svg",
        { viewBox: `0 0 ${this.last + 1} 1`, preserveAspectRatio: "none", "aria-hidden": "true" },
        cursor,
        ...bars,
      ),
    );
  }
}

function callText(branch, call) {
  const level = branch.levels?.[call];
  const distance = branch.distances?.[call];
  const more = [level, distance === null || distance === undefined ? null : `distance ${distance}`].filter(Boolean);
  return `${branch.branch} ${ACTIONS[branch.actions[call]].text}${more.length ? ` (${more.join(", ")})` : ""}`;
}

/** How many calls did what. */
function summary(trace) {
  const actions = trace.flatMap((branch) => branch.actions);
  const counts = Object.entries(ACTIONS)
    .map(([name, { text }]) => [actions.filter((action) => action === name).length, text])
    .filter(([count]) => count > 0);
  return `${plural(actions.length, "call")}: ${counts.map(([count, text]) => `${count} ${text}`).join(", ")}`;
}

/** The key to colours and heights. */
function legend() {
  return [
    "Each strip: steps from left (noisiest) to right, a line per branch, bars as high as there was work in the call. ",
    ...Object.entries(ACTIONS).map(([name, { text, height }]) =>
      element(
        "span",
        { className: "key" },
        drawing("svg", { viewBox: "0 0 1 1", "aria-hidden": "true" }, drawing("rect", { class: name, y: 1 - height, width: 1, height })),
        text,
      ),
    ),
  ];
}
