"""What a suite states about rows: baselines of other models, costs, and rows that nothing makes yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import SuiteError, nearest
from harness.planning.configured import ConfiguredMethod
from harness.suite import LoadedSuite, MethodEntry
from harness.suite_cost import PlannedRow
from harness.task import ModelSpec

if TYPE_CHECKING:
    from methods.base import Sampling


@dataclass(frozen=True)
class StatedRow:
    """A row of `planned`: shown and priced, never run."""

    name: str
    model: ModelSpec
    sampling: Sampling
    stated: PlannedRow
    baseline: str | None


def row_label(models: tuple[str, ...] | None, named: bool, label: str, several: bool) -> str | None:
    """The model's label where a row's name must begin with it: not if it has a name of its own and one model."""
    return label if several and not (named and models is not None and len(models) == 1) else None


def check_baselines(loaded: LoadedSuite, samplings: Mapping[str, Sampling]) -> None:
    """Each `baseline` names another model that has none itself and makes videos of the same size.

    Raises:
        SuiteError: one does not.
    """
    models = loaded.suite.models
    for label, entry in models.items():
        if entry.baseline is None:
            continue
        where = loaded.where("models", label, "baseline")
        if entry.baseline not in models:
            raise SuiteError(f"{where}: unknown model {entry.baseline!r}{nearest(entry.baseline, models)}")
        if entry.baseline == label:
            raise SuiteError(f"{where}: {label!r} is its own baseline anyway; remove it")
        if models[entry.baseline].baseline is not None:
            raise SuiteError(f"{where}: {entry.baseline!r} has a baseline itself; name that one")
        mine, other = samplings[label], samplings[entry.baseline]
        for size in ("height", "width", "num_frames"):
            if getattr(mine, size) != getattr(other, size):
                raise SuiteError(
                    f"{where}: {size} is {getattr(mine, size)} for {label!r} and {getattr(other, size)} for"
                    f" {entry.baseline!r}, so their videos cannot be compared; make them equal"
                )


def baseline_names(loaded: LoadedSuite, originals: Mapping[str, str]) -> dict[str, str | None]:
    """By model label, the name of the row its rows are compared with, from those of each model's own original.

    Raises:
        SuiteError: a model's `baseline` has no original in the suite.
    """
    found: dict[str, str | None] = {}
    for label, entry in loaded.suite.models.items():
        if entry.baseline is not None and entry.baseline not in originals:
            where = loaded.where("models", label, "baseline")
            raise SuiteError(f"{where}: model {entry.baseline!r} has no row of method original; add it")
        found[label] = originals.get(entry.baseline or label)
    return found


def check_statements(
    loaded: LoadedSuite, index: int, entry: MethodEntry, methods: Sequence[ConfiguredMethod], rows: int
) -> None:
    """`cost` and `published` are of one row, and `cost` of an adaptive method.

    Raises:
        SuiteError: the entry makes several rows, or its method has a fixed schedule.
    """
    for key in ("cost", "published"):
        if getattr(entry, key) is not None and rows > 1:
            where = loaded.where("methods", index, key)
            raise SuiteError(f"{where}: belongs to one row, this entry makes {rows}; write an entry for each")
    if entry.cost is not None and not all(method.adaptive for method in methods):
        where = loaded.where("methods", index, "cost")
        raise SuiteError(f"{where}: {entry.method} has a fixed schedule, which its cost follows from; remove it")


def stated_rows(
    loaded: LoadedSuite, samplings: Mapping[str, tuple[ModelSpec, Sampling]], baselines: Mapping[str, str | None]
) -> Iterator[StatedRow]:
    """The rows of `planned`, one for each model it names.

    Raises:
        SuiteError: a model is unknown.
    """
    several = len(samplings) > 1
    for index, planned in enumerate(loaded.suite.planned):
        for label in planned.models:
            if label not in samplings:
                where = loaded.where("planned", index, "models")
                raise SuiteError(f"{where}: unknown model {label!r}{nearest(label, samplings)}")
            prefix = row_label(planned.models, True, label, several)
            spec, sampling = samplings[label]
            yield StatedRow(
                name=f"{prefix}: {planned.name}" if prefix is not None else planned.name,
                model=spec,
                sampling=replace(sampling, num_inference_steps=planned.num_inference_steps),
                stated=planned,
                baseline=baselines[label],
            )
