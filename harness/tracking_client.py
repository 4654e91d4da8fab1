"""A connection to MLflow, what is asked of it everywhere, and its errors as ours."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, TrackingError
from harness.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@contextmanager
def as_tracking_error(what: str, remedy: str, store: TrackingStore) -> Iterator[None]:
    """MLflow raises its own, requests' and SQLAlchemy's errors; a run must survive all of them."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        text = store.without_password(next(iter(str(error).splitlines()), ""))[:200]
        raise TrackingError(
            f"MLflow at {store.shown_uri} did not take {what} ({type(error).__name__}: {text}); "
            f"no result is lost, `{remedy}` fills the gap"
        ) from error


def connect(store: TrackingStore) -> MlflowClient:
    """A client.

    Processes that first touch one SQLite file together break each other's set-up (MLflow 3.17), so the file is prepared
    aside and linked into place in one step.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # By default an unreachable server is tried for minutes, which would hold up the end of a run.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    from mlflow import MlflowClient

    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    path = store.sqlite_path
    if path is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as aside:
            fresh = Path(aside) / path.name
            MlflowClient(f"sqlite:///{fresh}").search_experiments(max_results=1)
            # A copy, because MLflow keeps its connection to the file it prepared.
            ready = shutil.copyfile(fresh, fresh.with_suffix(".ready"))
            with suppress(FileExistsError):  # another driver was faster, and its file is as good
                os.link(ready, path)
    return MlflowClient(store.uri)


def experiment_id(client: MlflowClient, name: str, store: TrackingStore) -> str:
    """The experiment of this name, made or taken out of the bin where need be."""
    found = client.get_experiment_by_name(name)
    if found is None:
        location = None
        if store.artifact_folder is not None:
            store.artifact_folder.mkdir(parents=True, exist_ok=True)
            location = store.artifact_folder.as_uri()
        return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def runs_by_tag(client: MlflowClient, experiment: str, tag: str) -> dict[str, list[Run]]:
    """An experiment's runs by the value of a tag, newest first. Runs that somebody deleted are not found."""
    runs: dict[str, list[Run]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], order_by=["attributes.start_time DESC"], page_token=token)
        for run in page:
            if (value := run.data.tags.get(tag)) is not None:
                runs.setdefault(value, []).append(run)
        token = page.token
        if not token:
            return runs
