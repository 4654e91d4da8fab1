"""Trainings in a real MLflow on SQLite."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness import tracking_training as module
from harness.errors import TrackingError
from harness.tracking_store import tracking_store
from harness.tracking_training import COLUMNS, TrainedRung, track_trainings, training_curves
from methods.training.history import Moment

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
"""SQLAlchemy's remark about MLflow's own code."""

NOTE = "mlflow.note.content"


@pytest.fixture
def store(training_store):
    """A store of its own for every test, with the experiment in it and no run."""
    return tracking_store(str(training_store))


def rung(name, sha256, parent, iterations=3, **losses):
    """A trained rung whose losses halve every iteration."""
    history = [
        Moment(
            iteration,
            {key: start / 2**iteration for key, start in (losses or {"student": 1.0}).items()},
            {"student": 0.5},
            1.0 * iteration,
            1000.0 + iteration,
        )
        for iteration in range(1, iterations + 1)
    ]
    return TrainedRung(
        name=name,
        kind="cfg_distilled",
        family="wan",
        sha256=sha256,
        parent_sha256=parent,
        config={"conditioning": {"guidance": "added"}, "guidance_range": [1.0, 8.0]},
        provenance={
            "settings": {"learning_rate": 1e-5, "ema_decay": None},
            "iterations": iterations,
            "device": "cpu",
            "torch": "2.9.0",
            "course": {"iterations": iterations},
        },
        history=history,
    )


FIRST, SECOND = rung("cfg", "a" * 64, "f" * 64), rung("rmf", "b" * 64, "a" * 64)


def client(store):
    """A second pair of eyes on the same store."""
    from mlflow import MlflowClient

    return MlflowClient(store.uri)


def everything(store, tracked):
    """All that a replay must leave alone."""
    seen = {}
    for sha256, run_id in tracked.run_ids.items():
        run = client(store).get_run(run_id)
        histories = {name: client(store).get_metric_history(run_id, name) for name in run.data.metrics}
        points = {
            name: [(point.step, point.value, point.timestamp) for point in history]
            for name, history in histories.items()
        }
        times = (run.info.start_time, run.info.end_time, run.info.status, run.info.run_name)
        seen[sha256] = (run_id, points, dict(run.data.params), dict(run.data.tags), times)
    return seen


def test_a_run_has_the_losses_by_iteration_and_what_was_chosen(store):
    tracked = track_trainings([FIRST], store)
    ((run_id, histories, params, tags, times),) = everything(store, tracked).values()
    assert client(store).get_experiment(tracked.experiment_id).name == "training"
    assert histories["loss/student"] == [(1, 0.5, 1001_000), (2, 0.25, 1002_000), (3, 0.125, 1003_000)]
    assert set(histories) == {"loss/student", "gradient_norm/student"}
    assert params == {
        "kind": "cfg_distilled",
        "family": "wan",
        "config.conditioning.guidance": "added",
        "config.guidance_range": "[1.0, 8.0]",
        "settings.learning_rate": "1e-05",
        "iterations": "3",
    }
    assert {"rung_sha256": "a" * 64, "parent_sha256": "f" * 64, "env.device": "cpu"}.items() <= tags.items()
    assert times == (1001_000, 1003_000, "FINISHED", "cfg")
    assert run_id in tracked.run_ids.values()


def test_replay_changes_nothing(store):
    first = track_trainings([FIRST, SECOND], store)
    before = everything(store, first)
    assert track_trainings([FIRST, SECOND], store) == first
    assert everything(store, first) == before


@pytest.mark.parametrize("order", [[FIRST, SECOND], [SECOND, FIRST]], ids=["parent first", "child first"])
def test_a_parent_is_linked_whichever_is_tracked_first(order, store):
    for one in order:
        track_trainings([one], store)
    tracked = track_trainings(order, store)
    parent, child = (client(store).get_run(tracked.run_ids[one.sha256]) for one in (FIRST, SECOND))
    assert child.data.tags["parent_run_id"] == parent.info.run_id
    assert (
        f"[cfg](http://127.0.0.1:5000/#/experiments/{tracked.experiment_id}/runs/{parent.info.run_id})"
        in (child.data.tags[NOTE])
    )
    assert "which is the model itself or a rung that is not tracked here" in parent.data.tags[NOTE]
    assert "parent_run_id" not in parent.data.tags


def test_long_histories_go_up_in_batches_and_a_broken_upload_is_completed(store, monkeypatch):
    monkeypatch.setattr(module, "METRICS_A_REQUEST", 4)
    from mlflow import MlflowClient

    sizes, log_batch = [], MlflowClient.log_batch

    def watched(self, run_id, metrics=(), **other):
        sizes.append(len(metrics))
        if len(sizes) == 3:
            raise OSError("connection lost")
        log_batch(self, run_id, metrics=metrics, **other)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", watched)
        with pytest.raises(TrackingError, match=r"connection lost.*`harness train track FOLDER` fills"):
            track_trainings([FIRST], store)
    assert sizes == [0, 4, 2]
    tracked = track_trainings([FIRST], store)
    ((_, histories, *_),) = everything(store, tracked).values()
    for points in histories.values():
        assert [step for step, *_ in points] == [1, 2, 3]


def test_a_rung_trained_further_gets_a_run_of_its_own(store):
    track_trainings([FIRST, SECOND], store)
    longer = replace(FIRST, sha256="c" * 64)
    tracked = track_trainings([FIRST, longer], store)
    assert len(set(tracked.run_ids.values())) == 2


def test_a_rung_without_a_history_is_tracked_too(store):
    bare = replace(FIRST, history=[])
    first = track_trainings([bare], store)
    before = everything(store, first)
    assert before["a" * 64][1] == {}
    track_trainings([bare], store)
    assert everything(store, first) == before


def test_curves_are_what_was_logged_in_order(store):
    rungs = [FIRST, rung("gan", "d" * 64, "b" * 64, predictor=4.0, discriminator=2.0)]
    track_trainings(rungs, store)
    frame = training_curves(rungs, store)
    assert tuple(frame.columns) == COLUMNS
    lines = frame[(frame["rung"] == "gan") & (frame["quantity"] == "loss/predictor")]
    assert list(zip(lines["iteration"], lines["value"], strict=True)) == [(1, 2.0), (2, 1.0), (3, 0.5)]
    assert set(frame[frame["rung"] == "cfg"]["quantity"]) == {"loss/student", "gradient_norm/student"}


def test_curves_of_an_untracked_rung_say_what_to_do(store):
    with pytest.raises(TrackingError, match=r"rmf \(sha256 bbbbbbbbbbbb\) is not in MLflow .* `harness train track`"):
        training_curves([SECOND], store)
