"""What the page shows of single videos, in pieces: a column per measure, and a shard per few prompts.

A column is loaded when a table shows it or sorts by it, a shard when a comparison opens one of its prompts. So
thousands of videos cost a reader no more than what is looked at.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from harness.records import DecisionRecord
from reports.from_decisions import FromDecisions
from reports.page.trace import Trace, trace
from reports.results import Results

SHARD_CELLS: Final = 256
"""About so many videos share a shard."""

_DIGITS: Final = 6
"""Of the numbers; nobody reads more, and every digit is downloaded."""

Column = list[list[float | None]]
"""By row in the suite's order, then by cell in the plan's; None where a cell has no value."""

Traces = dict[str, tuple[int, Trace]]
"""The different ones of a shard, by their text: where each stands, and what it is."""


def shard_prompts(results: Results) -> int:
    """How many prompts share a shard."""
    return max(1, SHARD_CELLS // max(1, len(results.manifest.rows) * results.manifest.samples))


def significant(value: float) -> float:
    """As many digits as anybody reads; infinity (the PSNR of equal videos) stays."""
    return float(f"{value:.{_DIGITS}g}")


def statuses(results: Results) -> list[list[str]]:
    """What became of each cell, laid out as a `Column`, in the words of `reports.frame`."""
    return _by_row(results, results.cells["status"].tolist())


def columns(results: Results, measures: Iterable[str]) -> dict[str, Column]:
    """These of the frame's measures, by name. A number that the report leaves out of its means is None here too."""
    left_out: defaultdict[str, set[str]] = defaultdict(set)
    for exclusion in results.excluded:
        for measure in exclusion.measures:
            left_out[measure].add(exclusion.cell_id)
    found = {}
    for measure in measures:
        values = results.cells[measure].mask(results.cells["cell_id"].isin(left_out[measure])).tolist()
        found[measure] = _by_row(results, [None if math.isnan(value) else significant(value) for value in values])
    return found


def shards(results: Results, measured: Mapping[str, Column], videos: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """In the prompts' order: by prompt, sample and row a cell, None where a row has none; equal traces said once.

    `measured` is what `columns` gives, `videos` has the file of each cell that has one.
    """
    manifest, per = results.manifest, shard_prompts(results)
    firsts = manifest.first_cells()
    found = _Cells(results, measured, videos)
    for first in range(0, len(manifest.prompts), per):
        prompts = range(first, min(first + per, len(manifest.prompts)))
        traces: Traces = {}
        yield {
            "first": first,
            "prompts": [
                [
                    [found.cell(row, firsts[prompt] + sample, traces) for row in range(len(manifest.rows))]
                    for sample in range(manifest.samples_of(prompt))
                ]
                for prompt in prompts
            ],
            "traces": [value for _, value in traces.values()],
        }


class _Cells:
    """Single cells by number of their row and place in it."""

    def __init__(self, results: Results, measured: Mapping[str, Column], videos: Mapping[str, str]) -> None:
        self._rows = results.manifest.rows
        self._records = results.frame.records
        self._measured = measured
        self._videos = videos
        self._statuses = statuses(results)
        self._reasons = _by_row(results, results.cells["reason"].tolist())
        self._traces = FromDecisions(_trace)
        self._remarks: defaultdict[str, list[str]] = defaultdict(list)
        for exclusion in results.excluded:
            self._remarks[exclusion.cell_id].append(f"{', '.join(exclusion.measures)} left out: {exclusion.reason}")

    def cell(self, row: int, at: int, traces: Traces) -> dict[str, Any] | None:
        """Status, values, and where there are such: reason, remarks, video, place of the trace."""
        if at >= len(self._rows[row].cell_ids):
            return None
        cell_id = self._rows[row].cell_ids[at]
        values = {measure: column[row][at] for measure, column in self._measured.items()}
        said: dict[str, Any] = {
            "status": self._statuses[row][at],
            "values": {measure: value for measure, value in values.items() if value is not None},
        }
        if self._reasons[row][at]:
            said["reason"] = self._reasons[row][at]
        if cell_id in self._remarks:
            said["remarks"] = self._remarks[cell_id]
        if cell_id in self._videos:
            said["video"] = self._videos[cell_id]
        record = self._records.get(cell_id)
        if record is not None and record.decisions:
            text, value = self._traces.of(record.decisions)
            said["trace"], _ = traces.setdefault(text, (len(traces), value))
        return said


def _trace(decisions: Sequence[DecisionRecord]) -> tuple[str, Trace]:
    """With its text, which tells equal ones."""
    value = trace(decisions)
    return json.dumps(value), value


def _by_row(results: Results, values: Iterable[Any]) -> list[list[Any]]:
    """The frame has its lines row by row, so that a row's cells are a stretch of them."""
    following = iter(values)
    return [list(islice(following, len(row.cell_ids))) for row in results.manifest.rows]
