"use strict";
// The table of methods: a line per row of the suite, with the report's estimates.

const OVERVIEW = [
  "latency_s", "speedup", "flops", "peak_memory_bytes", "total_score", "semantic_score", "quality_score",
  "lpips", "ssim", "psnr",
];

class MethodsTable {
  constructor(index) {
    this.index = index;
    this.section = byId("methods");
    this.filters = byId("methods-filters").elements;
    const models = [...new Set(index.rows.map((row) => row.model))];
    const groups = [...new Set(index.measures.map((measure) => measure.group))];
    fillSelect(this.filters.model, [["", "all"], ...models.map((model) => [model, model])]);
    fillSelect(this.filters.columns, [["", "Overview"], ...groups.map((group) => [group, group])]);
    byId("methods-model").hidden = models.length < 2;
    this.severalModels = models.length > 1;
    for (const name of ["find", "model", "columns"]) {
      this.filters[name].oninput = () => {
        note({ [name]: this.filters[name].value });
        this.draw();
      };
    }
    byId("methods-filters").onsubmit = (event) => event.preventDefault();
  }

  /** Draw the table that the address asks for. */
  draw() {
    const entries = address();
    for (const name of ["find", "model", "columns"]) this.filters[name].value = entries.get(name) ?? "";
    const columns = this.columns(entries.get("columns"));
    drawHeadings(this.section.querySelector("thead"), columns, "methods-", () => this.draw());
    const rows = this.chosen(entries, columns);
    this.section.querySelector("tbody").replaceChildren(
      ...rows.map((row) => element("tr", {}, columns.map((column) => column.cell(row)))),
    );
    this.section.querySelector(".count").textContent = `${rows.length} of ${plural(this.index.rows.length, "row")}`;
    this.drawAbsent(rows, columns);
  }

  columns(group) {
    const measures = this.index.measures.filter((measure) =>
      group ? measure.group === group : OVERVIEW.includes(measure.name),
    );
    const name = {
      name: "row",
      title: "Method",
      value: (row) => row.row,
      cell: (row) =>
        element(
          "th",
          { scope: "row" },
          element("a", { href: addressWith({ view: "videos", method: `row:${row.row}` }), title: settings(row) }, rowName(row)),
        ),
    };
    const model = { name: "model", title: "Model", value: (row) => row.model, cell: (row) => element("td", {}, row.model) };
    const cells = {
      name: "cells",
      title: "Videos",
      value: (row) => row.finished,
      cell: (row) => element("td", { className: "number" }, row.skip_reason ? "not run" : `${row.finished}/${row.cells}`),
    };
    return [name, ...(this.severalModels ? [model] : []), cells, ...measures.map(estimateColumn)];
  }

  chosen(entries, columns) {
    const find = (entries.get("find") ?? "").toLowerCase();
    const model = entries.get("model");
    const rows = this.index.rows.filter(
      (row) => (!model || row.model === model) && `${row.row} ${row.method}`.toLowerCase().includes(find),
    );
    const { sort, order } = sorting("methods-");
    const column = columns.find((one) => one.name === sort);
    return column ? rows.sort((a, b) => compareValues(column.value(a), column.value(b), order)) : rows;
  }

  drawAbsent(rows, columns) {
    const reasons = new Map();
    for (const row of rows) {
      for (const column of columns.filter((one) => one.measure)) {
        const reason = row.skip_reason ?? row.estimates[column.name].reason;
        if (!reason) continue;
        const key = row.skip_reason ? `not run: ${reason}` : `${column.measure.title}: ${reason}`;
        reasons.set(key, (reasons.get(key) ?? new Set()).add(row.row));
      }
    }
    const details = this.section.querySelector(".absent");
    details.hidden = reasons.size === 0;
    details.querySelector("ul").replaceChildren(
      ...[...reasons].map(([reason, names]) => element("li", {}, `${reason} (${[...names].join(", ")})`)),
    );
  }
}

/** A column of estimates: the value, whether it can be told from the original's, and its interval. */
function estimateColumn(measure) {
  return {
    name: measure.name,
    title: heading(measure),
    first: measure.direction === "higher" ? "descending" : "ascending",
    measure,
    value: (row) => row.estimates[measure.name].value,
    cell: (row) => {
      const { value, interval, undecided, reason, n, expected } = row.estimates[measure.name];
      const nothing = value === null && !reason;
      const text = nothing ? "-" : number(measure, value);
      const told = reason && value !== null ? ` (${n} of ${expected})` : "";
      return element(
        "td",
        { className: "number", title: reason ?? "" },
        `${text}${undecided ? " ≈" : ""}${told}`,
        interval ? element("small", {}, `[${interval.map((end) => number(measure, end)).join(", ")}]`) : null,
      );
    },
  };
}

/** The hyper-parameters and sampling of a row in a line. */
function settings(row) {
  const pairs = Object.entries({ ...row.config, ...row.sampling });
  return pairs.map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ");
}
