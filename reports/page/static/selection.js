"use strict";
// Which videos the address asks for, and in which order. The table shows them; a comparison walks through them.

/** The values of a column by row and cell: from its file, or from what the index says. */
async function columnValues(index, name) {
  if (name === "row") return (cell) => index.rows[cell.row].row;
  if (name === "prompt") return (cell) => index.prompts[cell.prompt];
  if (name === "sample") return (cell) => cell.sample;
  const values = await load(`values-${name}`);
  return (cell) => values[cell.row][index.first_cells[cell.prompt] + cell.sample];
}

/** Cells, each `{row, prompt, sample}` in numbers, filtered and sorted as the address says. */
async function selectedCells(index, entries = address()) {
  const text = (entries.get("text") ?? "").toLowerCase();
  const method = entries.get("method") ?? "";
  const dimension = entries.get("dimension");
  const status = entries.get("status");
  const { sort, order } = sorting("");
  const [scored, stated, sorted] = await Promise.all([
    dimension ? columnValues(index, dimension) : null,
    status ? columnValues(index, "status") : null,
    sort ? columnValues(index, sort) : null,
  ]);
  const rows = index.rows.map((row, number) => number).filter((number) => rowMatches(index.rows[number], method));
  const cells = [];
  index.prompts.forEach((prompt, number) => {
    if (text && !prompt.toLowerCase().includes(text)) return;
    for (let sample = 0; sample < index.prompt_samples[number]; sample++) {
      for (const row of rows) {
        const cell = { row, prompt: number, sample };
        if (!index.rows[row].cells) continue;
        if (scored && scored(cell) === null) continue;
        if (stated && stated(cell) !== status) continue;
        cells.push(cell);
      }
    }
  });
  return sorted ? cells.sort((a, b) => compareValues(sorted(a), sorted(b), order)) : cells;
}

/** Whether a row is meant by `row:NAME`, `method:NAME` or, for all, nothing. */
function rowMatches(row, method) {
  if (!method) return true;
  return method === `row:${row.row}` || method === `method:${row.method}`;
}

/** The prompts and samples of these cells, each once, in their order. */
function places(cells) {
  const found = new Map();
  for (const { prompt, sample } of cells) found.set(`${prompt}-${sample}`, { prompt, sample });
  return [...found.values()];
}
