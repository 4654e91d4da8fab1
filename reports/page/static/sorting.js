"use strict";
// Sorting by a column: a button in each heading, and an order in which absent values always come last.

/** Compare two values of one column; numbers by size, texts as people sort them. `order` is `ascending` or `descending`. */
function compareValues(a, b, order) {
  const missing = (value) => value === null || value === undefined;
  if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
  const found = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return order === "descending" ? -found : found;
}

/**
 * Draw the headings. `columns` have `name`, `title` and, where small is not what one looks for first, `first`:
 * `descending`. Sorting is noted in the address as `sort` and `order`, with `prefix` in front where a page has two tables.
 */
function drawHeadings(thead, columns, prefix, redraw) {
  const { sort, order } = sorting(prefix);
  thead.replaceChildren(
    element(
      "tr",
      {},
      columns.map((column) => {
        const sorted = column.name === sort;
        const button = element("button", { type: "button" }, column.title);
        button.onclick = () => {
          const first = column.first ?? "ascending";
          const second = first === "ascending" ? "descending" : "ascending";
          const next = sorted ? (order === first ? second : first) : first;
          note({ [`${prefix}sort`]: column.name, [`${prefix}order`]: next });
          redraw();
          thead.querySelector(`th[data-name="${column.name}"] button`)?.focus();
        };
        return element(
          "th",
          { scope: "col", className: column.measure ? "number" : "", "aria-sort": sorted ? order : "none", "data-name": column.name },
          button,
        );
      }),
    ),
  );
}

/** The column and direction in the address. */
function sorting(prefix) {
  const entries = address();
  return {
    sort: entries.get(`${prefix}sort`),
    order: entries.get(`${prefix}order`) === "descending" ? "descending" : "ascending",
  };
}
