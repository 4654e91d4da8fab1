"""The nine semantic dimensions behind the semantic score, laid out as DisCa's Table 6 (supplementary material):
percent, with the change relative to the original in brackets."""

from __future__ import annotations

from harness.records import RowManifest
from reports.columns import PLAIN, Column
from reports.dimensions import SEMANTIC, title
from reports.results import Results
from reports.scores import SEMANTIC_SCORE
from reports.sheet import Block, Cell, Heading, Line, Sheet, estimate_cell

TITLE = "Semantic breakdown"
POSITION = 2
COLUMNS = tuple(Column(name, title(name), None, 1, interval=False) for name in (SEMANTIC_SCORE, *SEMANTIC))


def belongs(results: Results) -> bool:
    """In every report."""
    return True


def sheet(results: Results) -> Sheet:
    """One block per model; its last line counts the cells that each dimension speaks about."""
    return Sheet(
        TITLE,
        tuple(_block(results, model, rows) for model, rows in results.models().items()),
        lead=(f"Judge: {results.judge}. Percent, 100 is best.",),
        remarks=(
            "In round brackets: change relative to the original, over the prompts and samples that both have. "
            "The last line says how many cells per row have a say in a dimension.",
        ),
    )


def _block(results: Results, model: str, rows: list[RowManifest]) -> Block:
    lines = []
    for row in rows:
        estimates = [results.estimate(row.row, column.measure) for column in COLUMNS]
        cells = (
            estimate_cell(column, PLAIN, row, estimate, change=True)
            for column, estimate in zip(COLUMNS, estimates, strict=True)
        )
        lines.append(Line(row.row, tuple(cells), denominators=results.denominators(row.row)))
    counts = [max(results.estimate(row.row, column.measure).expected for row in rows) for column in COLUMNS]
    lines.append(Line("Cells", tuple(Cell(str(count)) for count in counts)))
    return Block(model, tuple(Heading.of(column, PLAIN) for column in COLUMNS), tuple(lines))
