"""Reading the records of a suite. Nearly all of it is parsing, so that several processes read those of a large one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.records import CellRecord, ScoreRecord
from reports.processes import MANY_CELLS, shared
from reports.source import RecordSource

SHARE_CELLS: Final = 400
"""Of one errand: enough that handing it out costs little, few enough that the last one is soon done."""

Scores = dict[str, dict[str, ScoreRecord]]


def read(source: RecordSource, cell_ids: Sequence[str]) -> tuple[dict[str, CellRecord], Scores]:
    """The finished cells among `cell_ids`, in their order, and their scores by cell and metric.

    Raises what the source raises.
    """
    if len(cell_ids) < MANY_CELLS:
        return _read(source, cell_ids)
    # Sorted, so that a share lies in few of the store's folders, which are listed for its scores.
    ordered = sorted(cell_ids)
    shares = [(source, ordered[at : at + SHARE_CELLS]) for at in range(0, len(ordered), SHARE_CELLS)]
    cells: dict[str, CellRecord] = {}
    scores: Scores = {}
    for some_cells, some_scores in shared(_read, shares):
        cells |= some_cells
        scores |= some_scores
    return {cell_id: cells[cell_id] for cell_id in cell_ids if cell_id in cells}, scores


def _read(source: RecordSource, cell_ids: Sequence[str]) -> tuple[dict[str, CellRecord], Scores]:
    return source.cells(cell_ids), source.scores(cell_ids)
