"""A table as a paper prints it: typed columns over blocks of rows of printed texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from harness.errors import HarnessError, nearest
from reports.columns import PLAIN, Unit
from reports.published.value import Obtained, PublishedValue

ABSENT: Final = "-"
"""Stands in a row where the paper has no number, or where it is not known."""


@dataclass(frozen=True)
class PublishedColumn:
    """`name` is a measure of `reports.estimates.MEASURES` where there is one of that meaning."""

    name: str
    unit: Unit = PLAIN
    obtained: Obtained = Obtained.PRINTED
    source: str = ""
    """Where its values were read; the table's own source where left out."""


@dataclass(frozen=True)
class PublishedBlock:
    """Rows that the paper sets apart: those of one model, or of one speed. Best and second best are of a block.

    `rows` maps a row's name to its numbers, in the order of the table's columns and separated by spaces. A number may
    carry the change in percent that the paper prints behind it: `69.3(-5.7%)`.
    """

    title: str
    rows: Mapping[str, str]
    baseline: str = ""
    """The row its speedups refer to, maybe in another block; the table's where left out."""
    changes_from: str = ""
    """The row its changes in percent refer to; the baseline where left out."""
    model: str = ""
    """Hub id of the model its rows are of; the table's where left out."""


@dataclass(frozen=True)
class PublishedTable:
    """The constructor raises ValueError for a row that has not one text for each column, or that is there twice."""

    paper: str
    name: str
    """Such as `Table 7`."""
    source: str
    """Where it was read."""
    caption: str
    """What was measured, and on what."""
    columns: tuple[PublishedColumn, ...]
    blocks: tuple[PublishedBlock, ...]
    baseline: str = ""
    """The row that speedups refer to, where its blocks name none."""
    model: str = ""
    """Hub id of the model, where its blocks name none."""

    def __post_init__(self) -> None:
        for block in self.blocks:
            for row, numbers in block.rows.items():
                if len(numbers.split()) != len(self.columns):
                    raise ValueError(f"{self.cited}: {row} needs {len(self.columns)} numbers: {numbers}")
        if len(self._block_of) != sum(len(block.rows) for block in self.blocks):
            raise ValueError(f"{self.cited}: a row is there twice")

    @cached_property
    def _block_of(self) -> dict[str, PublishedBlock]:
        return {row: block for block in self.blocks for row in block.rows}

    @property
    def cited(self) -> str:
        """Such as `DisCa Table 7`."""
        return f"{self.paper} {self.name}"

    @property
    def row_names(self) -> tuple[str, ...]:
        """In the paper's order."""
        return tuple(self._block_of)

    @property
    def column_names(self) -> tuple[str, ...]:
        """In the paper's order."""
        return tuple(column.name for column in self.columns)

    def block_of(self, row: str) -> PublishedBlock:
        """The block a row stands in.

        Raises:
            HarnessError: the table has no such row; the message names the nearest one.
        """
        if row not in self._block_of:
            raise HarnessError(f"{self.cited} has no row {row!r}{nearest(row, self._block_of)}")
        return self._block_of[row]

    def baseline_of(self, row: str) -> str:
        """The row that a row's speedup refers to. It need not be in the table. Raises as `block_of`."""
        return self.block_of(row).baseline or self.baseline

    def model_of(self, row: str) -> str:
        """Hub id of the model a row is of; empty where there is none. Raises as `block_of`."""
        return self.block_of(row).model or self.model

    def column(self, name: str) -> PublishedColumn:
        """A column by name.

        Raises:
            HarnessError: the table has no such column; the message names the nearest one.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise HarnessError(f"{self.cited} has no column {name!r}{nearest(name, self.column_names)}")

    def value(self, row: str, column: str) -> PublishedValue | None:
        """None where the paper has no number there.

        Raises:
            HarnessError: the table has no such row or column; the message names the nearest one.
        """
        block, typed = self.block_of(row), self.column(column)
        text, _, change = block.rows[row].split()[self.columns.index(typed)].partition("(")
        if text == ABSENT:
            return None
        return PublishedValue(
            paper=self.paper,
            table=self.name,
            row=row,
            column=column,
            text=text,
            unit=typed.unit,
            obtained=typed.obtained,
            source=typed.source or self.source,
            change_text=change.removesuffix("%)") or None,
        )

    def values(self) -> Iterator[PublishedValue]:
        """Every number of the table, row by row."""
        for row in self.row_names:
            for column in self.column_names:
                value = self.value(row, column)
                if value is not None:
                    yield value
