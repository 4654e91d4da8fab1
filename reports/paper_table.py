"""A paper's table rebuilt: under each of its rows what was measured, what is published, and the difference.

A row of a suite belongs to the published row of the same name. Published numbers enter no mean and no rank of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.records import RowManifest
from reports.columns import Column
from reports.paper_cells import JUDGED, VBENCH, PaperCells, paper_cells
from reports.published.contradictions import CONTRADICTIONS, HEADING
from reports.published.table import PublishedBlock, PublishedTable
from reports.published.value import Obtained
from reports.results import Results
from reports.sheet import Block, Cell, Heading, Line, Sheet

MEASURED, PUBLISHED, DIFFERENCE = "ours", "paper", "difference"


@dataclass(frozen=True)
class PaperTable:
    """`columns` in the order they are shown; each `measure` is a column of `published`."""

    published: PublishedTable
    columns: tuple[Column, ...]

    def belongs(self, results: Results) -> bool:
        """Whether the suite has a row of the table besides what others are compared with."""
        baselines = {self.published.baseline_of(row) for row in self.published.row_names}
        return bool(_of_suite(results).keys() & {*self.published.row_names} - baselines)

    def sheet(self, results: Results) -> Sheet:
        """Every row of the paper, whether or not the suite has it."""
        lead = f"Published: {self.published.caption}."
        why = _of_suite(results) if self.belongs(results) else {}
        if not why:
            lead += f" Suite {results.manifest.suite} has no row of this table: what is published stands alone."
        names = why.keys() & {*self.published.row_names}
        ran = {row.row: row for row in results.manifest.rows if row.row in names and _has_run(results, row.row)}
        blocks = tuple(self._block(block, ran, why, results) for block in self.published.blocks)
        remarks = (*self._not_printed(), *self._left_out(ran, results))
        return Sheet(self.published.cited, blocks, (lead,), remarks)

    def _block(
        self, block: PublishedBlock, ran: Mapping[str, RowManifest], why: Mapping[str, str], results: Results
    ) -> Block:
        rows = {name: row for name, row in ran.items() if name in block.rows}
        columns = [paper_cells(self.published, block, column, rows, results) for column in self.columns]
        lines: list[Line] = []
        for name in block.rows:
            absent = () if name in rows or not why else (why.get(name, "Not in this suite."),)
            lines += _lines(name, columns, results, absent)
        headings = (Heading("Values", text=True), *(column.heading for column in columns))
        return Block(block.title, headings, tuple(lines), remarks=self._doubts(block))

    def _doubts(self, block: PublishedBlock) -> tuple[str, ...]:
        """What contradicts the block's heading."""
        return tuple(
            f"The paper's heading has {doubt.says}, but {doubt.against}."
            for doubt in CONTRADICTIONS
            if (doubt.paper, doubt.table) == (self.published.paper, self.published.name)
            and (doubt.row in block.rows and doubt.column == HEADING)
        )

    def _not_printed(self) -> list[str]:
        """Where columns are from that the paper does not print, or that were not read in it."""
        titles: dict[str, list[str]] = {}
        for column in self.columns:
            typed = self.published.column(column.measure)
            if typed.obtained is not Obtained.PRINTED:
                titles.setdefault(f"{typed.obtained} ({typed.source or self.published.source})", []).append(
                    column.title
                )
        return [f"The paper's {', '.join(names)}: {how}." for how, names in titles.items()]

    def _left_out(self, ran: Mapping[str, RowManifest], results: Results) -> list[str]:
        """Why some measured values stand beside published ones without a difference."""
        said = []
        others = sorted({row.model for name, row in ran.items() if row.model != self.published.model_of(name)})
        if others:
            said.append(f"Measured on {', '.join(others)}, which is not the paper's model: only ratios are compared.")
        if ran and results.judge != VBENCH and any(column.measure in JUDGED for column in self.columns):
            said.append(f"Scores of ours are by {results.judge}, the paper's by VBench: they are not compared.")
        return said


def _lines(name: str, columns: list[PaperCells], results: Results, absent: tuple[str, ...]) -> list[Line]:
    """The measured line, if there is one, the paper's, and the difference, if there is any."""
    published = Line(name, (Cell(PUBLISHED), *(column.published[name] for column in columns)), notes=absent)
    if name not in columns[0].measured:
        return [published]
    measured = (Cell(MEASURED), *(column.measured[name] for column in columns))
    lines = [Line(name, measured, denominators=results.denominators(name)), published]
    difference = tuple(column.difference[name] for column in columns)
    if any(cell.is_number for cell in difference):
        lines.append(Line(name, (Cell(DIFFERENCE), *difference)))
    return lines


def _has_run(results: Results, row: str) -> bool:
    counts = results.denominators(row)
    return counts is not None and counts.generated > 0


def _of_suite(results: Results) -> Mapping[str, str]:
    """The suite's rows, those it only states included, each with why it would have no measured line."""
    reasons = {row.row: _not_run(row) for row in results.manifest.rows}
    return reasons | {row.row: f"Not run: {row.reason.rstrip('.')}." for row in results.manifest.planned}


def _not_run(row: RowManifest) -> str:
    return f"Not run: {row.skip_reason.rstrip('.')}." if row.skip_reason else "Not generated yet."
