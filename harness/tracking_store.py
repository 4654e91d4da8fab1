"""Where results are tracked, and the MLflow UI on it. This file never imports mlflow: it only says where and how."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from harness.errors import TrackingError

DEFAULT_PORT: Final = 5000
HOST: Final = "127.0.0.1"
URI_VARIABLE: Final = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class TrackingStore:
    """`artifact_folder` is None where a server decides about artifacts itself."""

    uri: str
    artifact_folder: Path | None = None

    @property
    def is_server(self) -> bool:
        """Whether somebody else runs MLflow there, its UI included."""
        return urlsplit(self.uri).scheme in {"http", "https"}

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, for SQLite."""
        prefix = "sqlite:///"
        return Path(self.uri.removeprefix(prefix)) if self.uri.startswith(prefix) else None

    @property
    def shown_uri(self) -> str:
        """The address without a password, for messages."""
        return self.without_password(self.uri)

    def without_password(self, text: str) -> str:
        """The text with the address's password, should it occur, blotted out."""
        password = urlsplit(self.uri).password
        return text if not password else text.replace(f":{password}@", ":***@")


def tracking_store(root: str, tracking_uri: str | None = None) -> TrackingStore:
    """The store to track in: `tracking_uri`, else MLFLOW_TRACKING_URI, else SQLite and a folder below `root`/mlflow.

    A database (SQLite, PostgreSQL, ...) holds no files, so artifacts lie below `root` then, or beside an SQLite file
    named in the address. Raises TrackingError where `root` is not a local folder and nothing else is named.
    """
    uri = tracking_uri or os.environ.get(URI_VARIABLE)
    if uri is not None:
        store = TrackingStore(uri)
        if store.is_server or uri.startswith("databricks"):
            return store
        beside = store.sqlite_path.absolute().parent if store.sqlite_path else _local(root) / "mlflow"
        return TrackingStore(uri, beside / "artifacts")
    folder = _local(root) / "mlflow"
    return TrackingStore(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")


def _local(root: str) -> Path:
    parts = urlsplit(root)
    if len(parts.scheme) > 1 and parts.scheme not in {"file", "local"}:
        raise TrackingError(
            f"no place for MLflow's files below {root!r}, which is remote; set {URI_VARIABLE} to a server"
        )
    path = root.partition("://")[2] if "://" in root else root
    return Path(path).absolute()


def comparison_link(base_url: str, experiment_id: str) -> str:
    """Direct link to the chart comparison of an experiment's runs; the UI's start page hides it."""
    return f"{base_url.rstrip('/')}/#/experiments/{experiment_id}/runs?compareRunsMode=CHART"


def base_url(store: TrackingStore, port: int = DEFAULT_PORT) -> str:
    """Where the UI answers: the server itself, or what `serve_ui` starts."""
    return store.uri if store.is_server else f"http://{HOST}:{port}"


def ui_command(port: int = DEFAULT_PORT) -> list[str]:
    """The command that serves the UI to this machine alone; `ui_environment` tells it which store."""
    return [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]


def ui_environment(store: TrackingStore) -> dict[str, str]:
    """Variables for `ui_command`. The address goes here because a command line is visible to every user."""
    variables = {
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        # Without background jobs the server takes a quarter of the memory, and nothing here uses them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    if store.artifact_folder is not None:
        variables["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = store.artifact_folder.as_uri()
    return variables


def serve_ui(root: str, port: int = DEFAULT_PORT, tracking_uri: str | None = None) -> subprocess.Popen[bytes]:
    """Start the UI on the store that belongs to `root`; the caller waits for the process or ends it.

    Raises TrackingError where a server already serves it, or where nothing has been tracked yet.
    """
    store = tracking_store(root, tracking_uri)
    if store.is_server:
        raise TrackingError(f"{URI_VARIABLE} names a server, which has its own UI: open {store.shown_uri}")
    if store.sqlite_path is not None and not store.sqlite_path.exists():
        raise TrackingError(f"nothing is tracked in {store.sqlite_path} yet; `harness track SUITE` does it")
    environment = {name: value for name, value in os.environ.items() if name != URI_VARIABLE}
    return subprocess.Popen(ui_command(port), env=environment | ui_environment(store))
