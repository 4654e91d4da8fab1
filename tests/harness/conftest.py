"""A results folder with an MLflow database in it, made once and copied, because making it takes seconds."""

from __future__ import annotations

import shutil

import pytest

from harness.tracking_store import tracking_store


@pytest.fixture(scope="session")
def fresh_training_database(tmp_path_factory):
    """Made by the code under test: tracking no rung leaves an empty experiment."""
    from harness.tracking_training import track_trainings

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = tracking_store(str(tmp_path_factory.mktemp("fresh")))
        assert track_trainings([], store).run_ids == {}
    return store.sqlite_path


@pytest.fixture
def training_store(tmp_path, fresh_training_database, monkeypatch):
    """A results folder for every test that tracks trainings; the only thing in it is the experiment, without runs."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    database = tracking_store(str(tmp_path / "runs")).sqlite_path
    database.parent.mkdir(parents=True)
    shutil.copyfile(fresh_training_database, database)
    return tmp_path / "runs"
