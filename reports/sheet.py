"""What a table says, before it is Markdown, LaTeX or CSV: blocks of headed lines of typed cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.records import RowManifest
from reports.columns import Column, Direction, Unit
from reports.estimates import Estimate
from reports.ledger import Denominators
from reports.rows import is_original

NOT_APPLICABLE: Final = "-"
"""The question makes no sense, such as an original's distance from itself."""
ABSENT: Final = "n/a"
"""There should be a number and there is none; a note says why."""
UNDECIDED: Final = "≈"
"""Beside a value that is not distinguishable from the original's."""


@dataclass(frozen=True)
class Heading:
    """Of one column. `suffix` is written behind each of its numbers, except in CSV."""

    title: str
    unit: str = ""
    direction: Direction | None = None
    suffix: str = ""
    text: bool = False
    """Whether the column holds words and not numbers."""

    @classmethod
    def of(cls, column: Column, unit: Unit) -> Heading:
        """A measure's, in one of its units."""
        return cls(column.title, unit.name, column.direction, column.suffix)

    @property
    def name(self) -> str:
        """Such as `Latency (s)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Cell:
    """Numbers are written as the table shows them, in the heading's unit unless `unit` says otherwise."""

    text: str
    rank: int = 0
    """1 for the best of its column and block, 2 for the second best."""
    change: str = ""
    """Relative to another line, such as `-3.1%`."""
    undecided: bool = False
    """Not distinguishable from the original: the paired interval of the difference includes 0."""
    interval: tuple[str, str] | None = None
    unit: str = ""
    """Of this cell alone."""
    notes: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether `text` is a number, and not a dash or `n/a`."""
        return self.text not in (NOT_APPLICABLE, ABSENT, "")


@dataclass(frozen=True)
class Line:
    """One line of a block; `cells` are as many as the block has headings."""

    name: str
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    """About the line as a whole."""
    denominators: Denominators | None = None
    """What stands behind the line's numbers; None where nothing was run for it."""

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The line's own and then its cells'."""
        return self.notes + tuple(note for cell in self.cells for note in cell.notes)


@dataclass(frozen=True)
class Block:
    """Lines under common headings: one model, or what a paper sets apart. Raises ValueError for an uneven line."""

    title: str
    headings: tuple[Heading, ...]
    lines: tuple[Line, ...]
    setting: str = ""
    """What the title leaves open, such as size and steps."""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in self.lines:
            if len(line.cells) != len(self.headings):
                raise ValueError(f"{line.name} has {len(line.cells)} cells under {len(self.headings)} headings")

    @property
    def notes(self) -> tuple[str, ...]:
        """Every note of the block once, in order of first mention: a note's number is its place here."""
        return tuple(dict.fromkeys(note for line in self.lines for note in line.all_notes))

    @property
    def names(self) -> tuple[str, ...]:
        """The lines' names as a reader sees them: empty where the line above has the same."""
        above = [None, *(line.name for line in self.lines)]
        return tuple("" if line.name == name else line.name for line, name in zip(self.lines, above, strict=False))

    def marks(self, part: Line | Cell) -> tuple[int, ...]:
        """The numbers, from 1, of a line's or a cell's notes."""
        return tuple(self.notes.index(note) + 1 for note in part.notes)


@dataclass(frozen=True)
class Sheet:
    """A whole table, with what to read before and after it."""

    title: str
    blocks: tuple[Block, ...]
    lead: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    interval_means: str = "95 % intervals (paired bootstrap over prompts)"
    undecided_means: str = (
        "not distinguishable from the original: the paired 95 % interval of the difference includes 0"
    )

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them, line by line."""
        return tuple(cell for block in self.blocks for line in block.lines for cell in line.cells)


def estimate_cell(
    column: Column, unit: Unit, row: RowManifest, estimate: Estimate, *, rank: int = 0, change: bool = False
) -> Cell:
    """One estimate of a row in a column's form. `change` writes the change relative to the original behind it."""
    if estimate.value is None:
        # Nothing is expected of an original where it is what others are compared with.
        if is_original(row) and row.skip_reason is None and estimate.expected == 0:
            return Cell(NOT_APPLICABLE)
        return Cell(ABSENT, notes=(sentence(estimate),))
    difference = estimate.difference
    relative = difference.relative if difference is not None and change else None
    return Cell(
        column.number(estimate.value, unit),
        rank=rank,
        change=f"{100 * relative:+.1f}%" if relative is not None else "",
        undecided=difference is not None and difference.distinguishable is False,
        interval=column.ends(estimate.interval, unit) if column.interval and estimate.interval else None,
        notes=() if estimate.complete else (sentence(estimate),),
    )


def sentence(estimate: Estimate) -> str:
    """Why an estimate is absent or rests on fewer cells than planned, as a note."""
    reason = " ".join((estimate.reason or "no reason recorded").split()).rstrip(".")
    if estimate.value is None:
        return f"{reason[:1].upper()}{reason[1:]}."
    return f"From {estimate.n} of {estimate.expected} cells ({reason})."


def legend(sheet: Sheet, second: str) -> list[str]:
    """What the marks in a table mean, as far as it has them. `second` is how second-best values look."""
    said = []
    if any(cell.rank for cell in sheet.cells):
        said.append(
            f"Bold is the best and {second} the second-best value of a column and block; originals and rows with "
            "missing cells do not compete."
        )
    if any(cell.interval for cell in sheet.cells):
        said.append(f"Square brackets hold {sheet.interval_means}.")
    if any(cell.undecided for cell in sheet.cells):
        said.append(f"{UNDECIDED} is {sheet.undecided_means}.")
    return said


def told_denominators(lines: Sequence[Line]) -> list[str]:
    """The denominators of a block, rows with equal ones told together."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        if line.denominators is not None:
            counts = line.denominators
            scored = ", ".join(f"{metric} {count}" for metric, count in counts.scored.items())
            told = (
                f"{counts.expected} expected, {counts.generated} generated, {counts.failed} failed, "
                f"{counts.decoded} decoded{f'; scored: {scored}' if scored else ''}"
            )
            rows.setdefault(told, []).append(counts.row)
    return [f"{', '.join(names)}: {told}" for told, names in rows.items()]
