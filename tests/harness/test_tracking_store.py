"""Where results are tracked and how the UI is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import TrackingError
from harness.tracking_store import (
    TrackingStore,
    base_url,
    comparison_link,
    serve_ui,
    tracking_store,
    ui_command,
    ui_environment,
)


def test_default_is_below_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One SQLite file and a folder."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = tracking_store(str(tmp_path))
    assert store.uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert store.artifact_folder == tmp_path / "mlflow" / "artifacts"
    assert tracking_store(f"file://{tmp_path}") == store


def test_variable_and_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument wins over MLFLOW_TRACKING_URI, which wins over the default; a server keeps its own files."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert tracking_store("s3://bucket/runs") == TrackingStore("http://tracking:5000")
    other = tracking_store(str(tmp_path), f"sqlite:///{tmp_path}/elsewhere/my.db")
    assert other.artifact_folder == tmp_path / "elsewhere" / "artifacts"


def test_remote_root_needs_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite cannot lie in a bucket."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_URI"):
        tracking_store("s3://bucket/runs")


def test_ui_is_for_this_machine_only(tmp_path: Path) -> None:
    """Bound to the loopback address, without background jobs, the address not on the command line."""
    store = TrackingStore("postgresql://me:secret@db/mlflow", tmp_path)
    assert "127.0.0.1" in ui_command(5001)
    assert "secret" not in " ".join(ui_command(5001))
    environment = ui_environment(store)
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_BACKEND_STORE_URI"] == store.uri
    assert store.shown_uri == "postgresql://me:***@db/mlflow"


def test_links() -> None:
    """Straight to the charts."""
    assert comparison_link("http://h:1/", "7") == "http://h:1/#/experiments/7/runs?compareRunsMode=CHART"
    assert base_url(TrackingStore("https://tracking")) == "https://tracking"
    assert base_url(TrackingStore("sqlite:///x.db"), 5002) == "http://127.0.0.1:5002"


def test_ui_refuses_what_it_cannot_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty root, and a server that has its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match="harness track SUITE"):
        serve_ui(str(tmp_path))
    with pytest.raises(TrackingError, match="open http://tracking"):
        serve_ui(str(tmp_path), tracking_uri="http://tracking")
