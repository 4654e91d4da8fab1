"use strict";
// The table of videos: a line per video, filtered by prompt, method, dimension and status.

const ALWAYS_SHOWN = ["latency_s", "psnr", "ssim", "lpips"];

class VideosTable {
  constructor(index) {
    this.index = index;
    this.section = byId("videos");
    this.filters = byId("videos-filters").elements;
    this.measures = index.measures.filter((measure) => measure.of_videos);
    this.fillFilters();
    this.cells = [];
    this.columns = [];
    this.table = new LongTable(this.section.querySelector(".scroller"), (number) => this.line(this.cells[number]));
    for (const name of ["text", "method", "dimension", "status"]) {
      this.filters[name].oninput = () => {
        note({ [name]: this.filters[name].value, ...(name === "dimension" ? this.worstFirst() : {}) });
        this.draw();
      };
    }
    byId("videos-filters").onsubmit = (event) => event.preventDefault();
  }

  fillFilters() {
    const methods = [...new Set(this.index.rows.map((row) => row.method))];
    fillSelect(this.filters.method, [
      ["", "all"],
      { label: "All settings of", options: methods.map((method) => [`method:${method}`, method]) },
      { label: "One row", options: this.index.rows.map((row) => [`row:${row.row}`, row.row]) },
    ]);
    const groups = [...new Set(this.measures.map((measure) => measure.group))];
    fillSelect(this.filters.dimension, [
      ["", "all"],
      ...groups.map((label) => ({
        label,
        options: this.measures.filter((measure) => measure.group === label).map(({ name, title }) => [name, title]),
      })),
    ]);
    fillSelect(
      this.filters.status,
      [["", "all"], ...["ok", "pending", "failed", "oom", "timeout", "invalid", "unsupported"].map((name) => [name, name])],
    );
  }

  /** Whoever picks a dimension wants to see where it went wrong. */
  worstFirst() {
    const measure = this.measures.find(({ name }) => name === this.filters.dimension.value);
    if (!measure) return { sort: null, order: null };
    return { sort: measure.name, order: measure.direction === "higher" ? "ascending" : "descending" };
  }

  /** Draw the table that the address asks for, once the columns it needs are there. */
  async draw() {
    const entries = address();
    for (const name of ["text", "method", "dimension", "status"]) this.filters[name].value = entries.get(name) ?? "";
    const turn = (this.turn = Symbol("the last call draws"));
    const [cells, columns] = await Promise.all([
      selectedCells(this.index),
      Promise.all(this.wanted(entries).map(async (column) => ({ ...column, value: await columnValues(this.index, column.name) }))),
    ]);
    if (turn !== this.turn) return;
    this.cells = cells;
    this.columns = columns;
    drawHeadings(this.section.querySelector("thead"), columns, "", () => this.draw());
    this.table.show(cells.length);
    const all = this.index.rows.reduce((sum, row) => sum + row.cells, 0);
    this.section.querySelector(".count").textContent = `${cells.length.toLocaleString("en")} of ${plural(all, "video")}`;
  }

  wanted(entries) {
    const names = [...ALWAYS_SHOWN, entries.get("dimension"), entries.get("sort")];
    const measures = this.measures.filter(({ name }) => names.includes(name));
    return [
      { name: "prompt", title: "Prompt" },
      ...(this.index.samples > 1 ? [{ name: "sample", title: "Sample" }] : []),
      { name: "row", title: "Method" },
      { name: "status", title: "Status" },
      ...measures.map((measure) => ({
        name: measure.name,
        title: heading(measure),
        first: measure.direction === "higher" ? "ascending" : "descending",
        measure,
      })),
    ];
  }

  line(cell) {
    const row = this.index.rows[cell.row];
    const link = element(
      "a",
      { href: addressWith({ view: "compare", prompt: cell.prompt, sample: cell.sample, with: row.row, row: null }), title: this.index.prompts[cell.prompt] },
      this.index.prompts[cell.prompt],
    );
    return element(
      "tr",
      {},
      this.columns.map((column) => {
        if (column.name === "prompt") return element("th", { scope: "row" }, link);
        if (column.name === "row") return element("td", {}, rowName(row));
        const value = column.value(cell);
        if (column.measure) return element("td", { className: "number" }, value === null ? "" : number(column.measure, value));
        return element("td", {}, String(value));
      }),
    );
  }
}
