"""Comma-separated values: one header, one line per line of the table, nothing but the number in a number's column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from reports.sheet import Block, Cell, Heading, Line, Sheet

SUFFIX: Final = ".csv"
BLOCK, METHOD, NOTES = "Block", "Method", "Notes"
COUNTS: Final = ("expected", "generated", "failed", "decoded")


def render(sheet: Sheet) -> str:
    """The header has the units; what a line has no value for is empty."""
    lines = [_fields(block, line) for block in sheet.blocks for line in block.lines]
    written = io.StringIO()
    writer = csv.DictWriter(written, _header(sheet, lines), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue()


def _header(sheet: Sheet, lines: list[dict[str, str]]) -> list[str]:
    """Each column followed by what belongs to it, then the denominators."""
    used = {name for line in lines for name in line}
    headings = dict.fromkeys(heading for block in sheet.blocks for heading in block.headings)
    names = [name for heading in headings for name, _ in _cell(heading, _FULL)]
    scored = [name for line in lines for name in line if name.startswith("Cells scored")]
    names = [BLOCK, METHOD, *names, *(f"Cells {count}" for count in COUNTS), *scored, NOTES]
    return [name for name in dict.fromkeys(names) if name in used]


def _fields(block: Block, line: Line) -> dict[str, str]:
    fields = {BLOCK: block.title, METHOD: line.name}
    for heading, cell in zip(block.headings, line.cells, strict=True):
        fields |= dict(_cell(heading, cell))
    counts = line.denominators
    if counts is not None:
        fields |= {f"Cells {name}": str(getattr(counts, name)) for name in COUNTS}
        fields |= {f"Cells scored by {metric}": str(count) for metric, count in counts.scored.items()}
    return fields | ({NOTES: " ".join(dict.fromkeys(line.all_notes))} if line.all_notes else {})


_FULL: Final = Cell("0", change="0%", undecided=True, interval=("0", "0"), unit="%")
"""A cell with everything a cell can have."""


def _cell(heading: Heading, cell: Cell) -> Iterator[tuple[str, str]]:
    """Fields by name. Words that stand in a number's place, such as `n/a`, are left empty."""
    name = heading.name
    yield name, cell.text if cell.is_number else ""
    if cell.unit:
        yield f"{name}, other unit", cell.unit
    if cell.change:
        yield f"{heading.title}, change (%)", cell.change.removesuffix("%")
    if cell.interval is not None:
        yield f"{name}, 95 % low", cell.interval[0]
        yield f"{name}, 95 % high", cell.interval[1]
    if cell.undecided:
        yield f"{heading.title}, distinguishable", "no"
