"""Records -> one tidy frame of what was done at each step of each video, and how long the step took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.records import CellRecord, DecisionRecord
from reports.from_decisions import FromDecisions

COMPUTED: Final = "computed"
_KINDS: Final = {"compute": COMPUTED, "reuse": "stack reused", "partial": "modules reused", "predict": "predicted"}
COLUMNS: Final = ("row", "cell_id", "step_index", "kind", "step_s")

Integers = npt.NDArray[np.int64]


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
    found = [records[cell_id] for _, cell_id in finished]
    numbers: dict[str, int] = {}
    traces = FromDecisions(partial(_trace, numbers))
    of_each = [traces.of(record.decisions) for record in found]
    steps = _joined([its_steps for its_steps, _ in of_each])
    rows, row_names = pd.factorize(np.array([row for row, _ in finished], dtype=object))
    places = np.repeat(np.arange(len(finished)), [len(its_steps) for its_steps, _ in of_each])
    return pd.DataFrame(
        {
            "row": _named(rows[places], list(row_names)),
            "cell_id": _named(places, [cell_id for _, cell_id in finished]),
            "step_index": steps,
            "kind": _named(_joined([kinds for _, kinds in of_each]), list(numbers)),
            "step_s": _seconds(found, places, steps),
        },
        columns=list(COLUMNS),
    )


def _trace(numbers: dict[str, int], decisions: Sequence[DecisionRecord]) -> tuple[Integers, Integers]:
    """Step indices and the numbers of their kinds, both (steps,). `numbers` has those of all kinds seen."""
    kinds = step_kinds(decisions)
    of_kinds = [numbers.setdefault(kind, len(numbers)) for kind in kinds.values()]
    return np.array(list(kinds), np.int64), np.array(of_kinds, np.int64)


def _seconds(records: Sequence[CellRecord], places: Integers, steps: Integers) -> npt.NDArray[np.float64]:
    """Of each line, from the record at its place; NaN where its step was not timed."""
    timed = [record.latency.step_s if record.latency is not None else () for record in records]
    counts = np.array([len(of_one) for of_one in timed], np.int64)
    begins = np.cumsum(counts) - counts
    known = steps < counts[places]
    found = np.full(len(steps), np.nan)
    found[known] = np.fromiter(chain.from_iterable(timed), np.float64)[(begins[places] + steps)[known]]
    return found


def _named(numbers: npt.NDArray[Any], names: Sequence[Any]) -> pd.Categorical[Any]:
    """Numbers that stand for names; as text, millions of lines would take gigabytes."""
    return pd.Categorical.from_codes(numbers, pd.Index(names, dtype=object))


def _joined(arrays: Sequence[Integers]) -> Integers:
    """End to end; also of none."""
    return np.concatenate([np.empty(0, np.int64), *arrays])


def ordered_kinds(frame: pd.DataFrame) -> list[str]:
    """Kinds that occur, the computed first, then by how often they do."""
    counts = frame["kind"].value_counts()
    return sorted(counts.index[counts > 0], key=lambda kind: (kind != COMPUTED, -counts[kind], kind))
