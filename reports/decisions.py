"""Records -> one tidy frame of what was done at each step of each video, and how long the step took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from harness.records import CellRecord, DecisionRecord

COMPUTED: Final = "computed"
_KINDS: Final = {"compute": COMPUTED, "reuse": "stack reused", "partial": "modules reused", "predict": "predicted"}
COLUMNS: Final = ("row", "cell_id", "step_index", "kind", "step_s")


def kind_of(decision: DecisionRecord) -> str:
    """What a decision did, in a word: the method's own level where it names one."""
    return decision.level if decision.level and decision.action != "compute" else _KINDS[decision.action]


def step_kinds(decisions: Sequence[DecisionRecord]) -> dict[int, str]:
    """By step index: `computed` where every call of the step was, else what the first call that was not did."""
    kinds: dict[int, str] = {}
    for decision in decisions:
        kind = kind_of(decision)
        if kinds.get(decision.step_index, COMPUTED) == COMPUTED:
            kinds[decision.step_index] = kind
    return kinds


def step_frame(cells: pd.DataFrame, records: Mapping[str, CellRecord]) -> pd.DataFrame:
    """One line per step of each video that is both in the cell frame and among its records.

    The columns are `COLUMNS`, `step_s` in seconds, NaN where not timed.
    """
    lines = []
    finished = cells[cells["cell_id"].isin(list(records))]
    for row, cell_id in zip(finished["row"], finished["cell_id"], strict=True):
        record = records[cell_id]
        seconds = _seconds(record)
        for step, kind in step_kinds(record.decisions).items():
            lines.append((row, cell_id, step, kind, seconds.get(step, float("nan"))))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _seconds(record: CellRecord) -> dict[int, float]:
    return dict(enumerate(record.latency.step_s)) if record.latency is not None else {}


def ordered_kinds(frame: pd.DataFrame) -> list[str]:
    """Kinds that occur, the computed first, then by how often they do."""
    counts = frame["kind"].value_counts()
    return sorted(counts.index, key=lambda kind: (kind != COMPUTED, -counts[kind], kind))
