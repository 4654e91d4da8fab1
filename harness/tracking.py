"""MLflow as a projection of the records: one experiment per suite, one run per row, one value per metric.

Everything here can be deleted and rebuilt from the store with `harness track SUITE`. Only the driver calls it.

How MLflow 3.17 behaves, and what follows from it:

- A logged metric cannot be taken back. Logging the same key, step and timestamp with another value adds a second point,
  and of the two the *larger* stays on show. So a value is logged only when it differs from the one on show, always at
  step 0, and with a later timestamp than that one's. A replay adds nothing, a metric that never changed has exactly one
  point, and one that changed shows the newest.
- The UI draws bars across runs while the step on show is below 1, however many points there are, and lines otherwise.
- A metric that no longer exists can only be overwritten, with NaN.
- Parameters are immutable. A row whose parameters changed gets a new run; the old one keeps its numbers and its tag
  `current` becomes `false`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.records import SuiteManifest
from harness.tracking_artifacts import RowArtifacts, fill, fingerprint
from harness.tracking_client import as_tracking_error, connect, experiment_id, runs_by_tag
from harness.tracking_row import RowResult, RowState, TrackingSource, row_state
from harness.tracking_store import TrackingStore, base_url, comparison_link

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE_TAG: Final = "mlflow.note.content"
NOTE_LIMITS: Final = (20_000, 5_000)
"""Longest experiment tag, in characters: of MLflow 3.17, and of older servers."""
ARTIFACTS_TAG: Final = "artifacts_sha256"
TIMESTAMP_TAG: Final = "metrics_logged_ms"


@dataclass(frozen=True)
class TrackedSuite:
    """Where the suite now is in MLflow. `run_ids` is by row name; rows without any record have no run yet."""

    experiment_id: str
    run_ids: Mapping[str, str]
    ui_link: str


def track(
    manifest: SuiteManifest,
    source: TrackingSource,
    results: Mapping[str, RowResult],
    store: TrackingStore,
    *,
    report_markdown: str | None = None,
    report_folder: Path | None = None,
    artifacts: bool = True,
) -> TrackedSuite:
    """Bring MLflow in line with the records; calling it again without new records changes nothing.

    Without `artifacts` no file goes up: while a suite runs, a batch of values for each row is enough.
    `results` is by row name, `store` comes from `harness.tracking_store.tracking_store`. `report_markdown` becomes the
    experiment's note, `report_folder` (report.md and figures) an artifact of the originals' runs. Raises TrackingError,
    with what to do, for whatever MLflow answers; nothing in `source` is touched.
    """
    with as_tracking_error(f"suite {manifest.suite!r}", f"harness track {manifest.suite}", store):
        client = connect(store)
        experiment = experiment_id(client, manifest.suite, store)
        existing = runs_by_tag(client, experiment, "row_key")
        run_ids: dict[str, str] = {}
        for row in manifest.rows:
            state = row_state(manifest, row, source, results[row.row])
            if state is not None:
                candidates = existing.get(row.row_key, [])
                run_ids[row.row] = _bring_up_to_date(
                    client, experiment, manifest, state, candidates, source, report_folder, artifacts
                )
        _retire(client, existing, set(run_ids.values()))
        if report_markdown is not None:
            _write_note(client, experiment, report_markdown)
    return TrackedSuite(experiment, run_ids, comparison_link(base_url(store), experiment))


def _bring_up_to_date(
    client: MlflowClient,
    experiment: str,
    manifest: SuiteManifest,
    state: RowState,
    candidates: list[Run],
    source: TrackingSource,
    report_folder: Path | None,
    artifacts: bool,
) -> str:
    """Find or make the row's run and log what differs; the id of the run."""
    from mlflow.entities import Metric, Param, RunTag

    run = next((run for run in candidates if _agrees(run.data.params, state.params)), None)
    if run is None:
        tags = {"row_key": state.row.row_key, "suite": manifest.suite}
        run = client.create_run(experiment, start_time=state.started_ms, tags=tags, run_name=state.row.row)
    run_id = str(run.info.run_id)
    changed = _changed(run.data.metrics, state.result.metrics)
    timestamp_ms = _claim_timestamp_ms(client, run, state.newest_ms) if changed else 0
    metrics = [Metric(name, value, timestamp_ms, 0) for name, value in changed.items()]
    tags = {name: value for name, value in state.tags.items() if run.data.tags.get(name) != value}
    params = {name: value for name, value in state.params.items() if name not in run.data.params}
    if metrics or tags or params:
        client.log_batch(
            run_id,
            metrics=metrics,
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
    if artifacts:
        _upload(client, run, manifest, state, source, report_folder)
    if run.info.run_name != state.row.row:
        client.update_run(run_id, name=state.row.row)
    status = state.status
    if status == "RUNNING":
        if run.info.status != status:
            client.update_run(run_id, status=status)
    elif (run.info.status, run.info.end_time) != (status, state.newest_ms):
        client.set_terminated(run_id, status, end_time=state.newest_ms)
    return run_id


def _agrees(logged: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether the run can be this row's: what was logged is unchanged; what is missing (a crash) can be added."""
    return all(wanted.get(name) == value for name, value in logged.items())


def _changed(shown: Mapping[str, float], wanted: Mapping[str, float]) -> dict[str, float]:
    """The values to log, NaN for those that ceased to exist."""
    changed = {name: value for name, value in wanted.items() if shown.get(name) != value}
    gone = {name: math.nan for name, value in shown.items() if name not in wanted and not math.isnan(value)}
    return changed | gone


def _claim_timestamp_ms(client: MlflowClient, run: Run, newest_ms: int) -> int:
    """The newest record's time, or just after the last one logged where values changed without newer records.

    It is noted on the run before it is used, so that a call that dies in between cannot use it twice.
    """
    last = run.data.tags.get(TIMESTAMP_TAG)
    claimed = newest_ms if last is None else max(newest_ms, int(last) + 1)
    client.set_tag(run.info.run_id, TIMESTAMP_TAG, str(claimed))
    return claimed


def _upload(
    client: MlflowClient,
    run: Run,
    manifest: SuiteManifest,
    state: RowState,
    source: TrackingSource,
    report_folder: Path | None,
) -> None:
    """Artifacts go up together, and only when one of them changed. The tag comes last: a broken upload is redone."""
    first_ids = [state.row.cell_ids[at] for at in manifest.first_cells()] if state.row.cell_ids else []
    first_samples = [state.records.get(cell_id) for cell_id in first_ids]
    artifacts = RowArtifacts(
        cells=state.result.cells,
        suite_yaml=manifest.suite_yaml,
        strip=state.result.strip,
        videos=[record.video for record in first_samples if record is not None and record.video is not None],
        report_folder=report_folder if state.row.baseline is None else None,
        run_id=str(run.info.run_id),
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fill(folder, artifacts, source)
        digest = fingerprint(folder)
        if run.data.tags.get(ARTIFACTS_TAG) != digest:
            client.log_artifacts(run.info.run_id, str(folder))
            client.set_tag(run.info.run_id, ARTIFACTS_TAG, digest)


def _retire(client: MlflowClient, existing: Mapping[str, list[Run]], current: set[str]) -> None:
    """Runs of rows that the suite no longer has, or has with other parameters, stay but say so."""
    for runs in existing.values():
        for run in runs:
            if run.info.run_id not in current and run.data.tags.get("current") != "false":
                client.set_tag(run.info.run_id, "current", "false")


def _write_note(client: MlflowClient, experiment: str, markdown: str) -> None:
    from mlflow.exceptions import MlflowException

    for limit in NOTE_LIMITS:
        try:
            client.set_experiment_tag(experiment, NOTE_TAG, note(markdown, limit))
        except MlflowException:
            if limit == NOTE_LIMITS[-1]:
                raise
        else:
            return


def note(markdown: str, limit: int) -> str:
    """The report as a note of at most `limit` characters: without images, and cut between sections if need be."""
    pointer = "\n\nFigures and the whole report: artifact `report` of the original's run.\n"
    text = "\n".join(line for line in markdown.splitlines() if not line.startswith("![")).strip()
    if len(text) + len(pointer) > limit:
        text = text[: limit - len(pointer)]
        end = text.rfind("\n## ")
        text = text[: end if end > 0 else text.rfind("\n")].rstrip()
    return text + pointer
