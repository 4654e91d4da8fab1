"""The denominators: what was expected, what is there, and for every absent number the reason.

A finished cell may still be left out of a measure, because it cannot be compared; that is an `Exclusion` and counts
like any other absence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from harness.records import RowManifest, Status, SuiteManifest
from reports.dimensions import DIMENSIONS, FIDELITY
from reports.estimates import DEVICE_BOUND
from reports.frame import PENDING, CellFrame
from reports.rows import is_original
from reports.scores import VBENCH

NO_ORIGINAL: Final = "the suite has no original of this model to compare with"


@dataclass(frozen=True)
class Exclusion:
    """A finished cell whose number for these measures stands beside no other, and why."""

    cell_id: str
    row: str
    measures: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Denominators:
    """Counts of one row, in cells. `scored` is by metric, for the metrics that apply to the row."""

    row: str
    expected: int
    generated: int
    failed: int
    decoded: int
    """Generated cells whose frames at least one metric has read."""
    answered: int
    """Generated cells about which every metric that applies has either a value or a stated reason to be unavailable."""
    scored: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether every planned cell was generated and scored by every metric that applies."""
        return self.generated == self.expected and all(count == self.expected for count in self.scored.values())


def denominators(manifest: SuiteManifest, frame: CellFrame) -> list[Denominators]:
    """One per row of the suite, in its order."""
    found = []
    for row in manifest.rows:
        status = frame.table.loc[frame.table["row"] == row.row, "status"]
        generated = [cell_id for cell_id in row.cell_ids if cell_id in frame.records]
        states = [frame.states[cell_id] for cell_id in generated]
        applies = [metric for metric in manifest.metrics if row.baseline is not None or metric not in FIDELITY]
        found.append(
            Denominators(
                row=row.row,
                expected=len(row.cell_ids),
                generated=len(generated),
                failed=int((~status.isin([PENDING, Status.OK.value])).sum()),
                decoded=sum(any(state.status == "ok" for state in cell.values()) for cell in states),
                answered=sum(
                    all(cell[metric].status in ("ok", "unavailable") for metric in applies) for cell in states
                ),
                scored={metric: sum(cell[metric].status == "ok" for cell in states) for metric in applies},
            )
        )
    return found


def exclusions(manifest: SuiteManifest, frame: CellFrame) -> list[Exclusion]:
    """Timings from another environment than their model's; fidelity from other initial noise than the original's."""
    return [*_other_environments(manifest, frame), *_other_noise(manifest, frame)]


def _other_environments(manifest: SuiteManifest, frame: CellFrame) -> Iterable[Exclusion]:
    models = {row.row: row.model_label for row in manifest.rows}
    # A model whose rows are compared with another's original is timed where that is, or not at all.
    home = {row.model_label: models[row.baseline] for row in manifest.rows if row.baseline in models}
    timed = frame.table[frame.table["timing_class"].notna()]
    for _, lines in timed.groupby(timed["model"].map(lambda model: home.get(model, model)), sort=False):
        counts = Counter(lines["timing_class"])
        chosen = min(counts, key=lambda name: (-counts[name], name))
        for line in lines[lines["timing_class"] != chosen].itertuples(index=False):
            reason = f"timed on {line.timing_class}, while this table's timings are from {chosen}"
            yield Exclusion(str(line.cell_id), str(line.row), DEVICE_BOUND, reason)


def _other_noise(manifest: SuiteManifest, frame: CellFrame) -> Iterable[Exclusion]:
    ids = {row.row: row.cell_ids for row in manifest.rows}
    for row in manifest.rows:
        for cell_id, other_id in zip(row.cell_ids, ids.get(row.baseline or "", ()), strict=False):
            cell, other = frame.records.get(cell_id), frame.records.get(other_id)
            if cell is None or other is None or cell.noise_sha256 is None or other.noise_sha256 is None:
                continue
            if cell.noise_sha256 != other.noise_sha256:
                yield Exclusion(cell_id, row.row, FIDELITY, "started from other noise than the original's video")


def why_absent(
    row: RowManifest,
    measure: str,
    lines: pd.DataFrame,
    frame: CellFrame,
    manifest: SuiteManifest,
    excluded: Mapping[str, Sequence[Exclusion]],
) -> str:
    """One clause that accounts for every line of the row that lacks the measure. `lines` are those lines."""
    if row.skip_reason is not None:
        return f"not run: {row.skip_reason}"
    if measure in FIDELITY and row.baseline is None:
        return "the original is what the others are compared with" if is_original(row) else NO_ORIGINAL
    metric = measure if measure in FIDELITY else frame.judge if measure in DIMENSIONS else None
    asked = (*manifest.metrics, VBENCH) if manifest.vbench_dimensions else manifest.metrics
    if measure in FIDELITY + DIMENSIONS and (metric is None or metric not in asked):
        return f"the suite does not ask for {metric or 'a judge'}"
    reasons: Counter[str] = Counter()
    columns = (lines[name].tolist() for name in ("cell_id", "status", "reason", measure))
    for cell_id, status, reason, value in zip(*columns, strict=True):
        if measure in FIDELITY and math.isinf(value):
            reasons[f"infinite {measure}: the video equals the original's"] += 1
            continue
        reasons[_why_cell(cell_id, status, reason, measure, metric, frame, excluded)] += 1
    if len(reasons) == 1 and len(lines) == len(row.cell_ids):
        return next(iter(reasons))
    return "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())


def _why_cell(
    cell_id: str,
    status: str,
    reason: object,
    measure: str,
    metric: str | None,
    frame: CellFrame,
    excluded: Mapping[str, Sequence[Exclusion]],
) -> str:
    if status == PENDING:
        return "not generated yet"
    if status != Status.OK.value:
        return f"{status}: {reason}" if reason != status else status
    for exclusion in excluded.get(cell_id, ()):
        if measure in exclusion.measures:
            return exclusion.reason
    if metric is None:
        return "not recorded"
    state = frame.states[cell_id].get(metric)
    if state is None or state.status == "ok":
        return f"no value from {metric}"
    return f"{state.status}: {state.reason}" if state.status != "missing" else f"{metric}: {state.reason}"
