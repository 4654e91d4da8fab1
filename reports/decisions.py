"""Records -> one tidy frame of what was done at each step of each video, and how long the step took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.records import CellRecord, DecisionRecord

COMPUTED: Final = "computed"
_KINDS: Final = {"compute": COMPUTED, "reuse": "stack reused", "partial": "modules reused", "predict": "predicted"}
COLUMNS: Final = ("row", "cell_id", "step_index", "kind", "step_s")

Steps = npt.NDArray[np.int64]
Trace = tuple[Steps, Steps]


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

    The columns are `COLUMNS`, the names among them categories, `step_s` in seconds, NaN where not timed.
    """
    planned = zip(cells["row"].tolist(), cells["cell_id"].tolist(), strict=True)
    finished = [(row, cell_id) for row, cell_id in planned if cell_id in records]
    found, traces = [records[cell_id] for _, cell_id in finished], _Traces()
    of_each = [traces.of(record.decisions) for record in found]
    steps, kinds = [steps for steps, _ in of_each], [kinds for _, kinds in of_each]
    seconds = [_seconds(record, its_steps) for record, its_steps in zip(found, steps, strict=True)]
    rows, row_names = pd.factorize(np.array([row for row, _ in finished], dtype=object))
    places = np.repeat(np.arange(len(finished)), [len(its_steps) for its_steps in steps])
    return pd.DataFrame(
        {
            "row": _named(rows[places], list(row_names)),
            "cell_id": _named(places, [cell_id for _, cell_id in finished]),
            "step_index": _joined(steps, np.int64),
            "kind": _named(_joined(kinds, np.int64), list(traces.kinds)),
            "step_s": _joined(seconds, np.float64),
        },
        columns=list(COLUMNS),
    )


class _Traces:
    """Steps and kinds of decisions as arrays. Videos that were made alike share their decisions and so their arrays."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        """Every kind seen, with the number that stands for it."""
        self._found: dict[tuple[int, ...], Trace] = {}

    def of(self, decisions: Sequence[DecisionRecord]) -> Trace:
        """Step indices and the numbers of their kinds, both (steps,)."""
        # Their identities tell equal ones sooner than their fields, and hold as long as the records do.
        key = tuple(map(id, decisions))
        if key not in self._found:
            kinds = step_kinds(decisions)
            numbers = [self.kinds.setdefault(kind, len(self.kinds)) for kind in kinds.values()]
            self._found[key] = np.array(list(kinds), np.int64), np.array(numbers, np.int64)
        return self._found[key]


def _seconds(record: CellRecord, steps: Steps) -> npt.NDArray[np.float64]:
    """Of each of the steps, NaN where it was not timed."""
    found = np.full(len(steps), np.nan)
    timed = np.array(record.latency.step_s if record.latency is not None else (), np.float64)
    known = steps < len(timed)
    found[known] = timed[steps[known]]
    return found


def _named(numbers: npt.NDArray[Any], names: Sequence[Any]) -> pd.Categorical[Any]:
    """Numbers that stand for names; as text, millions of lines would take gigabytes."""
    return pd.Categorical.from_codes(numbers, pd.Index(names, dtype=object))


def _joined(arrays: Sequence[npt.NDArray[Any]], kind: type[np.generic]) -> npt.NDArray[Any]:
    """End to end; also of none."""
    return np.concatenate([np.empty(0, kind), *arrays])


def ordered_kinds(frame: pd.DataFrame) -> list[str]:
    """Kinds that occur, the computed first, then by how often they do."""
    counts = frame["kind"].value_counts()
    return sorted(counts.index[counts > 0], key=lambda kind: (kind != COMPUTED, -counts[kind], kind))
