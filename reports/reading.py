"""Reading the records of a suite. Nearly all of it is parsing, so that several processes read those of a large one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from harness.records import CellRecord
from reports.processes import MANY_CELLS, shared
from reports.source import RecordSource

SHARE_CELLS: Final = 400
"""Of one errand: enough that handing it out costs little, few enough that the last one is soon done."""


class Score(NamedTuple):
    """What a report asks of a `harness.records.ScoreRecord`: a suite has very many, and a tuple travels light."""

    status: str
    reason: str | None
    values: Mapping[str, float | None]


Scores = dict[str, dict[str, Score]]


def read(source: RecordSource, cell_ids: Sequence[str]) -> tuple[dict[str, CellRecord], Scores]:
    """The finished cells among `cell_ids`, in their order, and their scores by cell and metric.

    Raises what the source raises.
    """
    if len(cell_ids) < MANY_CELLS:
        return _cells(source, cell_ids), _scores(source, cell_ids)
    # Sorted, so that a share lies in few of the store's folders, which are listed for its scores.
    ordered = sorted(cell_ids)
    shares = [ordered[at : at + SHARE_CELLS] for at in range(0, len(ordered), SHARE_CELLS)]
    # Helpers begin at the front and this process at the end: cells, which would be the heaviest to send, are its own.
    errands = [(action, source, share) for action in (_scores, _cells) for share in shares]
    found = shared(_read, errands)
    scores: Scores = {}
    cells: dict[str, CellRecord] = {}
    for some_scores, some_cells in zip(found[: len(shares)], found[len(shares) :], strict=True):
        scores |= some_scores
        cells |= some_cells
    return {cell_id: cells[cell_id] for cell_id in cell_ids if cell_id in cells}, scores


def _read(action: Callable[[RecordSource, Sequence[str]], Any], source: RecordSource, cell_ids: Sequence[str]) -> Any:
    return action(source, cell_ids)


def _cells(source: RecordSource, cell_ids: Sequence[str]) -> dict[str, CellRecord]:
    return source.cells(cell_ids)


def _scores(source: RecordSource, cell_ids: Sequence[str]) -> Scores:
    return {
        cell_id: {metric: Score(score.status, score.reason, score.values) for metric, score in of_one.items()}
        for cell_id, of_one in source.scores(cell_ids).items()
    }
