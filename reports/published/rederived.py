"""What follows from other published values, with the range that their rounding leaves open.

A paper prints rounded numbers, so a speedup computed from printed latencies is a range, not a number. A printed value
agrees with its derivation if it could be the rounding of something in that range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from harness.vbench.normalization import BOUNDS
from reports.columns import PLAIN
from reports.dimensions import SEMANTIC
from reports.published.table import ABSENT, PublishedColumn, PublishedTable
from reports.published.value import Obtained, PublishedValue, half_unit
from reports.scores import QUALITY_SCORE, QUALITY_WEIGHT, SEMANTIC_SCORE, SEMANTIC_WEIGHT, TOTAL_SCORE

RATIOS: Final = {"speedup": "latency_s", "flops_speedup": "flops"}


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, around `value`."""

    low: float
    value: float
    high: float

    @classmethod
    def of(cls, value: PublishedValue) -> Range:
        """All numbers that are printed as this one."""
        return cls(value.value - value.rounding, value.value, value.value + value.rounding)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.value + other.value, self.high + other.high)

    def __truediv__(self, other: Range) -> Range:
        return Range(self.low / other.high, self.value / other.value, self.high / other.low)

    def scaled(self, factor: float, shift: float = 0.0) -> Range:
        """Each end times a positive factor, plus a shift."""
        return Range(*(factor * end + shift for end in (self.low, self.value, self.high)))


@dataclass(frozen=True)
class Derivation:
    """A number that follows from others of the paper, beside what is printed for it, if anything is."""

    table: PublishedTable
    row: str
    column: str
    """`change` behind a column's name means the change in percent printed behind its value."""
    formula: str
    range: Range
    printed: str | None

    @property
    def agrees(self) -> bool:
        """Whether the printed text can be a rounding of what was derived; True where nothing is printed."""
        if self.printed is None:
            return True
        slack = half_unit(self.printed) + 1e-9
        return self.range.low - slack <= float(self.printed) <= self.range.high + slack


def derivations(table: PublishedTable) -> Iterator[Derivation]:
    """Everything about a table that its own numbers say twice."""
    for row in table.row_names:
        yield from _ratios(table, row)
        yield from _scores(table, row)
        yield from _changes(table, row)


def ratio(table: PublishedTable, row: str, name: str, base: PublishedValue | None = None) -> Derivation | None:
    """`speedup` or `flops_speedup` of a row over `base`, else over the table's baseline; None where one is absent."""
    column = RATIOS[name]
    value, base = _value(table, row, column), base or _value(table, table.baseline_of(row), column)
    if value is None or base is None:
        return None
    formula = f"{column} of {base.row} / {column}"
    printed = _value(table, row, name)
    if printed is not None and printed.obtained is Obtained.RE_DERIVED:
        printed = None
    # A row is itself exactly once as fast as itself, whatever its latency was rounded from.
    found = Range(1.0, 1.0, 1.0) if base == value else Range.of(base) / Range.of(value)
    return Derivation(table, row, name, formula, found, printed.text if printed is not None else None)


def with_speedups(table: PublishedTable, base: PublishedValue | None = None) -> PublishedTable:
    """A table that prints latencies alone, with a column of the speedups that follow, over `base` as in `ratio`."""

    def numbers(row: str, printed: str) -> str:
        found = ratio(table, row, "speedup", base)
        return f"{printed} {ABSENT if found is None else f'{found.range.value:.2f}'}"

    of = base.cited if base is not None else "this table"
    speedups = PublishedColumn("speedup", PLAIN, Obtained.RE_DERIVED, f"the original's latency in {of} over the row's")
    blocks = (
        replace(block, rows={row: numbers(row, text) for row, text in block.rows.items()}) for block in table.blocks
    )
    return replace(table, columns=(*table.columns, speedups), blocks=tuple(blocks))


def _ratios(table: PublishedTable, row: str) -> Iterator[Derivation]:
    yield from (
        found for name in RATIOS if (found := ratio(table, row, name)) is not None and found.printed is not None
    )
    printed, share = _value(table, row, "theoretical_latency_s"), _value(table, row, "flops_speedup")
    base = _value(table, table.baseline_of(row), "latency_s")
    if printed is not None and share is not None and base is not None:
        latency = Range.of(base) / Range.of(share)
        formula = f"latency_s of {base.row} / flops_speedup"
        yield Derivation(table, row, "theoretical_latency_s", formula, latency, printed.text)


def _scores(table: PublishedTable, row: str) -> Iterator[Derivation]:
    semantic, quality = _value(table, row, SEMANTIC_SCORE), _value(table, row, QUALITY_SCORE)
    total = _value(table, row, TOTAL_SCORE)
    if semantic is not None and quality is not None and total is not None:
        weights = QUALITY_WEIGHT + SEMANTIC_WEIGHT
        heavy, light = QUALITY_WEIGHT / weights, SEMANTIC_WEIGHT / weights
        found = Range.of(quality).scaled(heavy) + Range.of(semantic).scaled(light)
        yield Derivation(table, row, TOTAL_SCORE, "(4 x quality + semantic) / 5", found, total.text)
    raw = [value for dimension in SEMANTIC if (value := _value(table, row, dimension)) is not None]
    if semantic is not None and len(raw) == len(SEMANTIC):
        mean = Range(0.0, 0.0, 0.0)
        for value in raw:
            bounds = BOUNDS[value.column]
            factor = 1.0 / (bounds.high - bounds.low)
            mean += Range.of(value).scaled(factor / len(raw), -100.0 * bounds.low * factor / len(raw))
        formula = "mean of the dimensions as VBench normalises them"
        yield Derivation(table, row, SEMANTIC_SCORE, formula, mean, semantic.text)


def _changes(table: PublishedTable, row: str) -> Iterator[Derivation]:
    block = table.block_of(row)
    base_row = block.changes_from or table.baseline_of(row)
    for column in table.column_names:
        value, base = _value(table, row, column), _value(table, base_row, column)
        if value is None or base is None or value.change_text is None:
            continue
        found = Range(1.0, 1.0, 1.0) if row == base_row else Range.of(value) / Range.of(base)
        change, formula = found.scaled(100.0, -100.0), f"{column} / {column} of {base_row} - 1"
        yield Derivation(table, row, f"{column} change", formula, change, value.change_text)


def _value(table: PublishedTable, row: str, column: str) -> PublishedValue | None:
    """None also where the table has no such row or column."""
    if row not in table.row_names or column not in table.column_names:
        return None
    return table.value(row, column)
