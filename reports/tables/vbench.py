"""VBench's dimensions of every row as its leaderboard prints them, raw and in percent, with what stands behind each.

Only in reports of suites that ask VBench.
"""

from __future__ import annotations

from harness.dimensions import QUALITY, SEMANTIC
from harness.records import RowManifest
from harness.vbench.outcomes import DimensionLedger
from harness.vbench.scores import Withheld
from reports.dimensions import title
from reports.results import Results
from reports.sheet import ABSENT, Block, Cell, Heading, Line, Sheet

TITLE = "VBench"
POSITION = 4
SCORES = {"quality": QUALITY, "semantic": SEMANTIC, "total": QUALITY + SEMANTIC}
"""With what each is made of; shown where all of that is asked for."""
PERCENT, DECIMALS = 100.0, 2


def belongs(results: Results) -> bool:
    """Where the suite asks for it."""
    return bool(results.manifest.vbench_dimensions)


def sheet(results: Results) -> Sheet:
    """One block per model; its last line counts the videos that each dimension expects of a row."""
    return Sheet(
        TITLE,
        tuple(_block(results, model, rows) for model, rows in results.models().items()),
        remarks=(
            "Percent, as VBench 0.1.5 prints them in one process. Quality, semantic and total are normalised and "
            "weighted as on its leaderboard. A number is withheld while one of its videos is not scored.",
        ),
    )


def _block(results: Results, model: str, rows: list[RowManifest]) -> Block:
    asked = results.manifest.vbench_dimensions
    totals = [name for name, parts in SCORES.items() if set(parts) <= set(asked)]
    lines = []
    expected = dict.fromkeys(asked, 0)
    for row in rows:
        found = results.vbench.get(row.row)
        if found is None:
            cell = Cell(ABSENT, notes=(f"Not run: {row.skip_reason}.",))
            lines.append(Line(row.row, (cell,) * (len(totals) + len(asked))))
            continue
        expected = {name: found.ledgers[name].expected for name in asked}
        scores = [_cell(getattr(found.scores, name)) for name in totals]
        dimensions = [_cell(found.raw[name], found.ledgers[name]) for name in asked]
        lines.append(Line(row.row, (*scores, *dimensions)))
    counts = [Cell(str(expected[name])) for name in asked]
    lines.append(Line("Videos", (*(Cell("") for _ in totals), *counts)))
    headings = [*(f"{name.title()} score" for name in totals), *(title(name) for name in asked)]
    return Block(model, tuple(Heading(name, direction="higher") for name in headings), tuple(lines))


def _cell(value: float | Withheld, counts: DimensionLedger | None = None) -> Cell:
    if isinstance(value, Withheld):
        told = f" {_told(counts)}" if counts is not None else ""
        return Cell(ABSENT, notes=(f"{str(value)[:1].upper()}{str(value)[1:]}.{told}",))
    notes = (f"{_told(counts)}",) if counts is not None and counts.excluded else ()
    return Cell(f"{PERCENT * value:.{DECIMALS}f}", notes=notes)


def _told(counts: DimensionLedger) -> str:
    """The denominators, and what was rightly left out."""
    left_out = "".join(f", {count} left out: {reason}" for reason, count in counts.excluded.items())
    return (
        f"{counts.expected} expected, {counts.generated} generated, {counts.decoded} decoded, {counts.scored}"
        f" scored{left_out}."
    )
