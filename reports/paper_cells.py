"""One column of a paper's table: what was measured, what is published, and the difference, for the rows of a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from harness.records import RowManifest
from reports.columns import Column, Unit
from reports.dimensions import DIMENSIONS
from reports.estimates import MEASURES, RATIOS, Estimate
from reports.frame import COST
from reports.published.contradictions import CONTRADICTIONS
from reports.published.table import PublishedBlock, PublishedTable
from reports.published.value import PublishedValue
from reports.results import Results
from reports.rows import is_original
from reports.scores import INGREDIENTS
from reports.scores import VBENCH as VBENCH
from reports.set_scores import METRICS, set_estimate
from reports.sheet import NOT_APPLICABLE, Cell, Heading, estimate_cell

RELATIVE: Final = (*COST, *RATIOS)
"""Measures whose difference is told in percent of the published value; that of others is in the column's unit."""
JUDGED: Final = (*INGREDIENTS, *DIMENSIONS)


@dataclass(frozen=True)
class PaperCells:
    """By row name: `published` for every row of the block, the others for those that were measured."""

    heading: Heading
    published: Mapping[str, Cell]
    measured: Mapping[str, Cell]
    difference: Mapping[str, Cell]


def paper_cells(
    table: PublishedTable, block: PublishedBlock, column: Column, rows: Mapping[str, RowManifest], results: Results
) -> PaperCells:
    """`rows` are the suite's that ran, by name. Best and second best are found among them, and apart in the paper's."""
    unit = table.column(column.measure).unit
    printed = {name: table.value(name, column.measure) for name in block.rows}
    places = column.places(
        {name: value.value for name, value in printed.items() if value is not None and name != table.baseline_of(name)}
    )
    estimates = {name: _estimate(results, row, column.measure) for name, row in rows.items()}
    found = {name: estimate for name, estimate in estimates.items() if estimate is not None}
    own = _own_unit(column, unit, found)
    ranks = column.ranks({name: found[name] for name in found if not is_original(rows[name])}, own)
    changes = any(value is not None and value.change_text for value in printed.values()) and not block.changes_from
    measured, difference = dict.fromkeys(rows, Cell(NOT_APPLICABLE)), dict.fromkeys(rows, Cell(NOT_APPLICABLE))
    for name, estimate in found.items():
        cell = estimate_cell(column, own, rows[name], estimate, rank=ranks.get(name, 0), change=changes)
        measured[name] = replace(cell, unit=own.name if own != unit and cell.is_number else "")
        value = printed[name]
        if value is not None and estimate.value is not None and comparable(table, rows[name], column.measure, results):
            difference[name] = _difference(column, estimate.value, value)
    return PaperCells(
        Heading.of(column, unit),
        {name: _published(value, places.get(name, 0)) for name, value in printed.items()},
        measured,
        difference,
    )


def comparable(table: PublishedTable, row: RowManifest, measure: str, results: Results) -> bool:
    """Whether a difference from the published value says anything.

    Ratios always do; of another model nothing else does; and scores are those of one judge.
    """
    if measure in JUDGED and results.judge != VBENCH:
        return False
    return measure in RATIOS or row.model == table.model_of(row.row)


def _estimate(results: Results, row: RowManifest, measure: str) -> Estimate | None:
    """None for what only papers print."""
    if measure in METRICS:
        return set_estimate(results, row, measure)
    return results.estimate(row.row, measure) if measure in MEASURES else None


def _own_unit(column: Column, unit: Unit, found: Mapping[str, Estimate]) -> Unit:
    """The paper's unit, unless all that was measured is small in it, as on a small model."""
    values = [estimate.value for estimate in found.values() if estimate.value is not None]
    return unit if max(values, default=unit.per) >= unit.per else column.unit(found.values())


def _published(value: PublishedValue | None, place: int) -> Cell:
    if value is None:
        return Cell(NOT_APPLICABLE)
    change = f"{value.change_text}%" if value.change_text is not None else ""
    return Cell(value.text, rank=place, change=change, notes=_doubts(value))


def _doubts(value: PublishedValue) -> tuple[str, ...]:
    """What contradicts the value, or the change behind it."""
    return tuple(
        f"{doubt.paper} {doubt.table} has {doubt.says}, but {doubt.against}."
        for doubt in CONTRADICTIONS
        if (doubt.paper, doubt.table, doubt.row) == (value.paper, value.table, value.row)
        and doubt.column.split()[0] == value.column
    )


def _difference(column: Column, measured: float, published: PublishedValue) -> Cell:
    if column.measure in RELATIVE:
        return Cell(f"{100 * (measured / published.recorded - 1):+.1f}", unit="%")
    return Cell(f"{(measured - published.recorded) / published.unit.per:+.{column.decimals}f}")
