"""Tracking in a real MLflow on SQLite. The database is made once and copied, because making it takes seconds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from harness.errors import TrackingError
from harness.records import Status
from harness.tracking import NOTE_TAG, TrackedSuite, note, track
from harness.tracking_row import run_status
from harness.tracking_store import TrackingStore, tracking_store
from reports.projection import RowProjection, project
from reports.results import collect
from tests.reports.synthetic import MemorySource, rejudge, synthetic

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
"""SQLAlchemy's remark about MLflow's own code."""

MARKDOWN = "# synthetic\n\n![Frames](figures/frames.png)\n\nAll is well.\n"


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the code under test: tracking a suite of which nothing has been tried yet leaves an empty experiment."""
    store = tracking_store(str(tmp_path_factory.mktemp("fresh")), tracking_uri=None)
    source = synthetic(prompts=1, samples=1)
    source.suite = source.suite.model_copy(update={"suite": "untried"})
    projections = project(collect(source, source.suite), source)
    source.done.clear()
    source.scored.clear()
    assert track(source.suite, source, projections, store).run_ids == {}
    assert store.sqlite_path is not None
    return store.sqlite_path


@pytest.fixture
def store(tmp_path: Path, fresh_database: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingStore:
    """A store of its own for every test; the only experiment in it is that of the suite `untried`."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = tracking_store(str(tmp_path))
    assert made.sqlite_path is not None
    made.sqlite_path.parent.mkdir(parents=True)
    shutil.copyfile(fresh_database, made.sqlite_path)
    return made


def put(source: MemorySource, store: TrackingStore, **report: str | Path) -> TrackedSuite:
    """Compute and track, as the command line does."""
    results = project(collect(source, source.suite), source)
    markdown, folder = report.get("markdown"), report.get("folder")
    return track(
        source.suite,
        source,
        results,
        store,
        report_markdown=str(markdown) if markdown else None,
        report_folder=Path(folder) if folder else None,
    )


def client(store: TrackingStore) -> MlflowClient:
    """A second pair of eyes on the same store."""
    from mlflow import MlflowClient

    return MlflowClient(store.uri)


def run_of(store: TrackingStore, tracked: TrackedSuite, row: str) -> Run:
    """As MLflow has it now."""
    return client(store).get_run(tracked.run_ids[row])


def everything(store: TrackingStore, tracked: TrackedSuite) -> dict[str, object]:
    """All that a replay must leave alone."""
    seen: dict[str, object] = {}
    for row, run_id in tracked.run_ids.items():
        run = client(store).get_run(run_id)
        histories = {
            name: [(point.value, point.timestamp) for point in client(store).get_metric_history(run_id, name)]
            for name in run.data.metrics
        }
        times = (run.info.start_time, run.info.end_time, run.info.status)
        seen[row] = (run_id, histories, dict(run.data.params), dict(run.data.tags), times)
    return seen


@pytest.fixture
def suite() -> MemorySource:
    """Two rows of two prompts with videos."""
    full = synthetic(prompts=2, samples=1, videos=True)
    rows = tuple(row for row in full.suite.rows if row.row in {"original", "teacache-0.1"})
    full.suite = full.suite.model_copy(update={"rows": rows})
    return full


def test_layout(suite: MemorySource, store: TrackingStore, tmp_path: Path) -> None:
    """Experiment per suite, run per row; parameters, single values, tags, artifacts, times from records."""
    (tmp_path / "report" / "figures").mkdir(parents=True)
    (tmp_path / "report" / "report.md").write_text(MARKDOWN)
    (tmp_path / "report" / "figures" / "frames.png").write_bytes(b"png")
    tracked = put(suite, store, markdown=MARKDOWN, folder=tmp_path / "report")
    experiment = client(store).get_experiment(tracked.experiment_id)
    assert experiment.name == "synthetic"
    assert "All is well." in experiment.tags[NOTE_TAG]
    assert "![" not in experiment.tags[NOTE_TAG]
    assert tracked.ui_link.endswith(f"/#/experiments/{tracked.experiment_id}/runs?compareRunsMode=CHART")
    run = run_of(store, tracked, "teacache-0.1")
    row = suite.suite.rows[1]
    assert run.info.run_name == "teacache-0.1"
    assert run.info.status == "FINISHED"
    assert run.info.start_time == round(1000 * suite.done[row.cell_ids[0]].started_at)
    assert run.info.end_time == round(1000 * suite.scored[row.cell_ids[1]]["psnr"].scored_at)
    expected = {"method": "teacache", "family": "wan", "dtype": "float32", "config.rel_l1_thresh": "0.1"}
    assert expected.items() <= run.data.params.items()
    assert run.data.params["sampling.num_inference_steps"] == "50"
    tags = {"row_key": row.row_key, "suite": "synthetic", "env.commit": "0123abc", "env.torch": "2.9.0"}
    assert tags.items() <= run.data.tags.items()
    metrics = run.data.metrics
    assert metrics["cost/speedup"] == pytest.approx(1.5, rel=0.05)
    assert metrics["progress/generated"] == metrics["progress/scored"] == metrics["progress/expected"] == 2
    assert metrics["fidelity/psnr"] > 30
    assert metrics["semantic/color"] > 50
    assert "fidelity/lpips" not in metrics
    files = client(store).list_artifacts(run.info.run_id)
    assert {file.path for file in files} == {"cells.parquet", "frames.png", "suite.yaml", "videos"}
    cells = pd.read_parquet(Path(client(store).download_artifacts(run.info.run_id, "cells.parquet")))
    assert list(cells["cell_id"]) == list(row.cell_ids)
    assert len(client(store).list_artifacts(run.info.run_id, "videos")) == 2
    report = client(store).list_artifacts(tracked.run_ids["original"], "report")
    assert {file.path for file in report} == {"report/report.md", "report/figures"}


def test_replay_changes_nothing(suite: MemorySource, store: TrackingStore) -> None:
    """Same runs, one point per metric, same times."""
    first = put(suite, store, markdown=MARKDOWN)
    before = everything(store, first)
    second = put(suite, store, markdown=MARKDOWN)
    assert second == first
    assert everything(store, second) == before
    assert len(client(store).search_runs([first.experiment_id])) == 2
    for row in before.values():
        histories = row[1]  # type: ignore[index]
        assert all(len(points) == 1 for points in histories.values())


def test_more_cells_update_the_same_run(suite: MemorySource, store: TrackingStore) -> None:
    """Half a suite, then all of it: the newest value is on show, at step 0, and unchanged metrics keep one point."""
    cell_id = suite.suite.rows[1].cell_ids[1]
    record, scores = suite.done[cell_id], suite.scored[cell_id]
    suite.forget(cell_id)
    half = put(suite, store)
    assert run_of(store, half, "teacache-0.1").info.status == "RUNNING"
    assert run_of(store, half, "original").info.status == "FINISHED"
    suite.done[cell_id], suite.scored[cell_id] = record, scores
    whole = put(suite, store)
    assert whole.run_ids == half.run_ids
    run = run_of(store, whole, "teacache-0.1")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["progress/generated"] == 2
    latency = project(collect(suite, suite.suite), suite)["teacache-0.1"].metrics["cost/latency_s"]
    assert run.data.metrics["cost/latency_s"] == latency
    points = client(store).get_metric_history(run.info.run_id, "cost/latency_s")
    assert [point.step for point in points] == [0, 0]
    assert len(client(store).get_metric_history(run.info.run_id, "progress/expected")) == 1


def test_while_a_suite_runs_only_values_go_up(suite: MemorySource, store: TrackingStore) -> None:
    """Half a suite without files, then all of it: the same runs, with all numbers and files at the end."""
    cell_id = suite.suite.rows[1].cell_ids[1]
    record, scores = suite.done[cell_id], suite.scored[cell_id]
    suite.forget(cell_id)
    results = project(collect(suite, suite.suite), suite)
    live = track(suite.suite, suite, results, store, artifacts=False)
    run = run_of(store, live, "teacache-0.1")
    assert (run.info.status, run.data.metrics["progress/generated"]) == ("RUNNING", 1)
    assert run.data.metrics["cost/latency_s"] == results["teacache-0.1"].metrics["cost/latency_s"]
    assert "config.rel_l1_thresh" in run.data.params
    assert client(store).list_artifacts(run.info.run_id) == []
    suite.done[cell_id], suite.scored[cell_id] = record, scores
    whole = put(suite, store)
    assert whole.run_ids == live.run_ids
    assert run_of(store, whole, "teacache-0.1").data.metrics["progress/generated"] == 2
    assert client(store).list_artifacts(run.info.run_id) != []


def test_smaller_value_replaces_a_larger_one(suite: MemorySource, store: TrackingStore) -> None:
    """MLflow alone keeps the larger of two values with one timestamp; even records without newer times must win."""
    first = put(suite, store)
    for cell_id in suite.suite.rows[1].cell_ids:
        rejudge(suite, cell_id, {**suite.scored[cell_id]["shapes"].values, "color": 0.01})
    put(suite, store)
    assert run_of(store, first, "teacache-0.1").data.metrics["semantic/color"] == pytest.approx(1.0)


def test_value_that_ceased_to_exist(suite: MemorySource, store: TrackingStore) -> None:
    """A withheld score must not stay on show."""
    first = put(suite, store)
    for cell_id in suite.suite.rows[1].cell_ids:
        rejudge(suite, cell_id, {**suite.scored[cell_id]["shapes"].values, "color": None})
    for _ in range(2):
        put(suite, store)
        run = run_of(store, first, "teacache-0.1")
        assert pd.isna(run.data.metrics["semantic/score"])
        assert len(client(store).get_metric_history(run.info.run_id, "semantic/score")) == 2


def test_gap_is_filled(suite: MemorySource, store: TrackingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow dies after the first row's upload began; the next call completes it without doubling anything."""
    from mlflow import MlflowClient

    def broken(self: object, run_id: str, folder: str) -> None:
        raise OSError("disk full\nsecond line")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", broken)
        with pytest.raises(TrackingError, match=r"disk full\); no result is lost, `harness track synthetic`") as caught:
            put(suite, store)
    assert "\n" not in str(caught.value)
    tracked = put(suite, store)
    assert len(client(store).search_runs([tracked.experiment_id])) == 2
    assert run_of(store, tracked, "original").info.status == "FINISHED"
    assert client(store).list_artifacts(tracked.run_ids["original"])


def test_deleted_runs_and_experiments_come_back(suite: MemorySource, store: TrackingStore) -> None:
    """What a user deletes in the UI is rebuilt on request."""
    first = put(suite, store)
    client(store).delete_run(first.run_ids["teacache-0.1"])
    second = put(suite, store)
    assert second.run_ids["original"] == first.run_ids["original"]
    assert second.run_ids["teacache-0.1"] != first.run_ids["teacache-0.1"]
    client(store).delete_experiment(first.experiment_id)
    assert put(suite, store).experiment_id == first.experiment_id


def test_changed_parameters_make_a_new_run(suite: MemorySource, store: TrackingStore) -> None:
    """Parameters are immutable in MLflow; the old run says that it is history."""
    first = put(suite, store)
    row = suite.suite.rows[1]
    changed = row.model_copy(update={"sampling": {**row.sampling, "guidance_scale": 7.0}})
    suite.suite = suite.suite.model_copy(update={"rows": (suite.suite.rows[0], changed)})
    second = put(suite, store)
    assert second.run_ids["teacache-0.1"] != first.run_ids["teacache-0.1"]
    assert run_of(store, first, "teacache-0.1").data.tags["current"] == "false"
    assert run_of(store, second, "teacache-0.1").data.tags["current"] == "true"


def test_all_failed_and_untried_rows(suite: MemorySource, store: TrackingStore) -> None:
    """A row of failures is FAILED; a row nobody tried has no run."""
    original, row = suite.suite.rows
    for cell_id in row.cell_ids:
        suite.fail(cell_id, Status.OOM, "out of memory")
    tracked = put(suite, store)
    run = run_of(store, tracked, "teacache-0.1")
    assert run.info.status == "FAILED"
    assert run.data.metrics["progress/failed"] == 2
    suite.failed.clear()
    suite.suite = suite.suite.model_copy(update={"rows": (original, row.model_copy(update={"row_key": "untried"}))})
    assert set(put(suite, store).run_ids) == {"original"}


def test_unreachable_store_is_a_tracking_error(suite: MemorySource, tmp_path: Path) -> None:
    """Whatever MLflow raises, the caller sees one kind of error, without the password."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(TrackingError, match="harness track synthetic"):
        put(suite, TrackingStore(f"sqlite:///{tmp_path}/file/mlflow.db"))
    with pytest.raises(TrackingError) as caught:
        put(suite, TrackingStore("nosuchdatabase://me:secret@host/db"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("progress", "status"),
    [((4, 4, 4, 0), "FINISHED"), ((4, 4, 3, 0), "RUNNING"), ((4, 3, 3, 1), "RUNNING"), ((4, 0, 0, 4), "FAILED")],
)
def test_run_status(progress: tuple[int, int, int, int], status: str) -> None:
    """Complete, unscored, one failure, nothing but failures."""
    names = ("expected", "generated", "scored", "failed")
    counts: Mapping[str, float] = {
        f"progress/{name}": float(count) for name, count in zip(names, progress, strict=True)
    }
    assert run_status(counts) == status


def test_note_is_cut_between_sections() -> None:
    """Half a table would be read as a whole one."""
    text = "# A\n\n" + "\n\n".join(f"## Section {index}\n\n" + "word " * 200 for index in range(9))
    short = note(text, 5000)
    assert len(short) <= 5000
    assert "artifact `report`" in short
    assert "Section 3" in short
    assert "Section 5" not in short
    assert note("short", 5000).startswith("short\n")


def test_import_is_fast() -> None:
    """The command line imports this file; MLflow comes in only when something is tracked."""
    code = "import sys, harness.tracking; sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_projection_is_what_tracking_asks_for() -> None:
    """The two packages do not import each other; this is where they meet."""
    source = synthetic(prompts=1)
    projection = project(collect(source, source.suite), source)["pab"]
    assert isinstance(projection, RowProjection)
    assert {"progress/expected", "progress/generated", "progress/scored", "progress/failed"} <= set(projection.metrics)
