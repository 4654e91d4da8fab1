"""Trainings in MLflow: one run a trained rung, its losses by iteration, its hyper-parameters, and where it comes from.

A rung is known by the hash of its weights, so tracking a folder again changes nothing. Trained further it is another
rung and gets a run of its own; the former stays, since others may have been trained from it.

A parent's run is named in a tag and linked in the note. MLflow's own nesting of runs is not used: its lists fold
children away, and show one level of them only (mlflow/mlflow#4563).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from harness.errors import TrackingError
from harness.tracking_client import as_tracking_error, connect, experiment_id, runs_by_tag
from harness.tracking_row import PARAM_LIMIT, TAG_LIMIT
from harness.tracking_store import TrackingStore, base_url

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

EXPERIMENT: Final = "training"
COLUMNS: Final = ("rung", "quantity", "iteration", "value")
"""Of `training_curves`; `quantity` is the metric's name, e.g. `loss/student`."""
METRICS_A_REQUEST: Final = 1000
"""MLflow's limit."""

_RUNG_TAG, _PARENT_TAG, _PARENT_RUN_TAG = "rung_sha256", "parent_sha256", "parent_run_id"
_NOTE_TAG: Final = "mlflow.note.content"
_ABOUT_THE_MACHINE: Final = ("device", "torch", "finished_after_s")
"""Of a rung's provenance: tags, since they are no choice of anybody's."""
_COURSE: Final = "course"
"""Of the provenance of a rung that was packed: the history in short, which is tracked whole."""


class Moment(Protocol):
    """One iteration; see `methods.training.history.Moment`."""

    @property
    def iteration(self) -> int:
        """Counted from 1."""
        ...

    @property
    def losses(self) -> Mapping[str, float]:
        """By name."""
        ...

    @property
    def gradient_norms(self) -> Mapping[str, float]:
        """By the name of the module."""
        ...

    @property
    def time_s(self) -> float:
        """Since the epoch."""
        ...


@dataclass(frozen=True)
class TrainedRung:
    """A rung's folder: its name, what `rung.json` says, and the history of its training, which may be empty."""

    name: str
    kind: str
    family: str
    sha256: str
    """Of its weights as they were trained."""
    parent_sha256: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    history: Sequence[Moment]


@dataclass(frozen=True)
class TrackedTraining:
    """Where the trainings now are in MLflow; `run_ids` is by the sha256 of the rung."""

    experiment_id: str
    run_ids: Mapping[str, str]
    ui_link: str


def track_trainings(rungs: Sequence[TrainedRung], store: TrackingStore) -> TrackedTraining:
    """Bring MLflow in line with rungs' folders; calling it again changes nothing.

    Rungs that were tracked before are linked to parents that are tracked now.

    Raises:
        TrackingError: with what to do, for whatever MLflow answers.
    """
    with _errors(store):
        client = connect(store)
        experiment = experiment_id(client, EXPERIMENT, store)
        known = runs_by_tag(client, experiment, _RUNG_TAG)
        run_ids = {rung.sha256: _bring_up_to_date(client, experiment, rung, known) for rung in rungs}
        _link(client, experiment, store)
    return TrackedTraining(experiment, run_ids, f"{base_url(store)}/#/experiments/{experiment}")


def training_curves(rungs: Sequence[TrainedRung], store: TrackingStore) -> pd.DataFrame:
    """The losses and gradient norms of tracked rungs, as MLflow has them: `COLUMNS`, in order of iteration.

    Raises:
        TrackingError: a rung is not tracked.
    """
    import pandas as pd

    with _errors(store):
        client = connect(store)
        known = runs_by_tag(client, experiment_id(client, EXPERIMENT, store), _RUNG_TAG)
        lines: list[tuple[str, str, int, float]] = []
        for rung in rungs:
            if rung.sha256 not in known:
                raise TrackingError(
                    f"{rung.name} (sha256 {rung.sha256[:12]}) is not in MLflow at {store.shown_uri}; "
                    "`harness train track` its folder first"
                )
            run = known[rung.sha256][0]
            for quantity in sorted(run.data.metrics):
                points = client.get_metric_history(run.info.run_id, quantity)
                ordered = sorted(points, key=lambda point: point.step)
                lines += [(rung.name, quantity, point.step, point.value) for point in ordered]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _errors(store: TrackingStore) -> Any:
    return as_tracking_error("the trainings", "harness train track FOLDER", store)


def _bring_up_to_date(client: MlflowClient, experiment: str, rung: TrainedRung, known: Mapping[str, list[Run]]) -> str:
    """Find or make the rung's run and log what is missing; the id of the run."""
    from mlflow.entities import Param, RunTag

    times_ms = [round(1000 * moment.time_s) for moment in rung.history]
    wanted = _tags(rung)
    if rung.sha256 in known:
        run = known[rung.sha256][0]
    else:
        run = client.create_run(
            experiment, start_time=min(times_ms, default=None), tags={_RUNG_TAG: rung.sha256}, run_name=rung.name
        )
    run_id = str(run.info.run_id)
    params = [Param(name, value) for name, value in _params(rung) if name not in run.data.params]
    tags = [RunTag(name, value) for name, value in wanted.items() if run.data.tags.get(name) != value]
    if params or tags:
        client.log_batch(run_id, params=params, tags=tags)
    metrics = list(_unlogged(client, run, rung.history))
    for first in range(0, len(metrics), METRICS_A_REQUEST):
        client.log_batch(run_id, metrics=metrics[first : first + METRICS_A_REQUEST])
    if run.info.run_name != rung.name:
        client.update_run(run_id, name=rung.name)
    if run.info.status != "FINISHED":
        client.set_terminated(run_id, end_time=max(times_ms, default=None))
    return run_id


def _unlogged(client: MlflowClient, run: Run, history: Sequence[Moment]) -> Iterator[Metric]:
    """The values of the history whose iteration the run does not have yet."""
    from mlflow.entities import Metric

    logged: dict[str, set[int]] = {}
    for moment in history:
        sections = (("loss", moment.losses), ("gradient_norm", moment.gradient_norms))
        for section, values in sections:
            for name, value in values.items():
                key = f"{section}/{name}"
                if key not in logged:
                    seen = client.get_metric_history(run.info.run_id, key) if key in run.data.metrics else []
                    logged[key] = {point.step for point in seen}
                # A database takes no infinities, and MLflow writes the largest number in their place.
                if moment.iteration not in logged[key] and math.isfinite(value):
                    yield Metric(key, value, round(1000 * moment.time_s), moment.iteration)


def _params(rung: TrainedRung) -> Iterator[tuple[str, str]]:
    """What was chosen: kind and family, what the rung takes, and how it was trained."""
    left_out = {*_ABOUT_THE_MACHINE, _COURSE}
    chosen = {name: value for name, value in rung.provenance.items() if name not in left_out}
    said = {"kind": rung.kind, "family": rung.family, "config": rung.config, **chosen}
    for name, value in _flat(said):
        yield name, _text(value)[:PARAM_LIMIT]


def _tags(rung: TrainedRung) -> dict[str, str]:
    machine = {f"env.{name}": _text(rung.provenance[name]) for name in _ABOUT_THE_MACHINE if name in rung.provenance}
    said = {"kind": rung.kind, "family": rung.family, _PARENT_TAG: rung.parent_sha256, **machine}
    return {name: value[:TAG_LIMIT] for name, value in said.items()}


def _link(client: MlflowClient, experiment: str, store: TrackingStore) -> None:
    """Say of every rung in the experiment where it comes from."""
    runs = runs_by_tag(client, experiment, _RUNG_TAG)
    for run in (newest for newest, *_ in runs.values()):
        tags = run.data.tags
        parent = next(iter(runs.get(tags.get(_PARENT_TAG, ""), [])), None)
        wanted = {_NOTE_TAG: _note(tags, parent, f"{base_url(store)}/#/experiments/{experiment}/runs")}
        if parent is not None:
            wanted[_PARENT_RUN_TAG] = parent.info.run_id
        for name, value in wanted.items():
            if tags.get(name) != value:
                client.set_tag(run.info.run_id, name, value)


def _note(tags: Mapping[str, str], parent: Run | None, runs_link: str) -> str:
    """One sentence for the run's page."""
    said = f"Rung `{tags[_RUNG_TAG][:12]}`, a {tags['kind']} of {tags['family']}, trained from "
    if parent is not None:
        return f"{said}[{parent.info.run_name}]({runs_link}/{parent.info.run_id})."
    return f"{said}`{tags[_PARENT_TAG][:12]}`, which is the model itself or a rung that is not tracked here."


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value is not None:
            yield f"{before}{name}", value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
