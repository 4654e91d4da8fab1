"""Metrics of each row's images as a set: the quality columns of AdaCache's table for DiT.

Only in reports of suites that ask for them."""

from __future__ import annotations

from harness.records import RowManifest
from reports.columns import PLAIN
from reports.results import Results
from reports.rows import is_original
from reports.set_scores import COLUMNS, set_estimate
from reports.sheet import Block, Cell, Heading, Line, Sheet, estimate_cell

TITLE = "Image sets"
POSITION = 3


def belongs(results: Results) -> bool:
    """Where the suite asks for such metrics."""
    return bool(results.manifest.set_metrics)


def sheet(results: Results) -> Sheet:
    """One block per model, of the metrics that the suite asks for."""
    return Sheet(
        TITLE,
        tuple(_block(results, model, rows) for model, rows in results.models().items()),
        remarks=(
            "Each number is of all images of a row together, so it has no interval and no cell of its own. FID and "
            "sFID fall with the number of images: compare equal numbers only.",
        ),
    )


def _block(results: Results, model: str, rows: list[RowManifest]) -> Block:
    columns = [column for column, metric in COLUMNS.items() if metric in results.manifest.set_metrics]
    cells: dict[str, list[Cell]] = {row.row: [] for row in rows}
    for column in columns:
        estimates = {row.row: set_estimate(results, row, column.measure) for row in rows}
        ranks = column.ranks({row.row: estimates[row.row] for row in rows if not is_original(row)}, PLAIN)
        for row in rows:
            cells[row.row].append(estimate_cell(column, PLAIN, row, estimates[row.row], rank=ranks.get(row.row, 0)))
    lines = [
        Line(
            row.row,
            (*cells[row.row], Cell(str(len(row.cell_ids)))),
            denominators=results.denominators(row.row),
        )
        for row in rows
    ]
    against = sorted(
        {
            f"{record.reference} ({record.network})"
            for row in rows
            for record in results.set_scores.get(row.row, {}).values()
            if record.status == "ok" and record.reference is not None
        }
    )
    headings = (*(Heading.of(column, PLAIN) for column in columns), Heading("Images"))
    remarks = (f"Compared with {'; '.join(against)}.",) if against else ()
    return Block(model, headings, tuple(lines), remarks=remarks)
