"""Makes one cell after another with one resident pipeline: load, apply, warm up, generate, score, restore.

Plain Python, no Ray and no MLflow, so that the same code runs in an actor, in a test and on a bare GPU machine.
Everything a cell leaves behind is in the store before `run` returns: video, lossless copy, sidecar, scores. The
sidecar is written after the video, and says that the cell is made.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.discovery import load_metric
from harness.environment import describe_environment
from harness.errors import InvalidVideoError, MetricUnavailableError, ModelError, StoreError, StoreFullError, one_line
from harness.metrics.base import Frames, Metric
from harness.ranks import RankError, Ranks
from harness.records import CellRecord, ScoreRecord, Status
from harness.resident import Made, Resident
from harness.storage_faults import PATIENCE_S
from harness.store import Store, lossless_path
from harness.task import CellTask, ModelSpec
from harness.video import frames_sha256, read_video, write_lossless, write_mp4

LOGGER = logging.getLogger(__name__)


_OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""How torch says it where it has no type for it: on the CPU, from the driver, from cuBLAS' own workspace."""


def best_device() -> str:
    """The first CUDA device, or the CPU."""
    return "cuda:0" if torch.cuda.is_available() else "cpu"


class Worker:
    """Holds at most one pipeline. Not thread-safe: one cell at a time."""

    def __init__(self, store_root: str, device: str | None = None, ranks: Ranks | None = None) -> None:
        """`ranks` are the processes this one makes cells together with, as their leader or by `follow`."""
        self._ranks = ranks
        self._store = Store(store_root, PATIENCE_S)
        self._device = device or best_device()
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._environment = describe_environment(self._device)
        self._resident: Resident | None = None
        self._metrics: dict[str, Metric] = {}

    def run(self, task: CellTask, attempt: int = 1) -> CellRecord:
        """Make and score one cell. A cell that fails gives a record that says so; nothing is raised for it.

        Raises:
            StoreFullError: there is no room for it, which is not the cell's fault.
        """
        started_at = time.time()
        try:
            existing = self._store.cells([task.cell_id]).get(task.cell_id)
            metrics = self._unscored(task, existing)
            if existing is not None and not metrics and self._is_kept(task):
                record = existing
            else:
                record, frames = self._make(task, existing, attempt, started_at)
                self._score(task, metrics, frames)
            # Also of a cell that was done: its worker may have died just before this.
            if task.reference_cell_id is not None and not task.keep_lossless:
                self._store.remove(lossless_path(task.cell_id))
            return record
        except StoreFullError:
            raise
        except Exception as error:
            status, reason = _status_of(error), one_line(error)
        # Only now, since the error's traceback holds on to the tensors of the generation that failed.
        self._recover(status)
        return self._record(task, attempt, started_at, status, reason=reason)

    def follow(self) -> None:
        """Make the cells of the ranks' leader with it, and store nothing, until it is gone."""
        if self._ranks is None:
            raise RuntimeError("a worker that is alone has nobody to follow")
        self._ranks.follow(self._part, self._drop_row, _status_of, self._recover)

    def _part(self, task: CellTask) -> Made:
        return self._pipeline(task.model).generate(task)

    def _generate(self, task: CellTask) -> Made:
        wanted = 1 if task.model.parallel is None else task.model.parallel.ranks
        if wanted != (1 if self._ranks is None else self._ranks.size):
            raise ModelError(f"model {task.model.label!r} is spread over {wanted} devices, which this worker has not")
        if self._ranks is None:
            return self._part(task)
        in_force = self._resident is not None and self._resident.row_key == task.row_key
        return self._ranks.make(task, self._part, in_force)

    def _recover(self, status: Status) -> None:
        """Let go of what a generation that failed may have left."""
        self._drop_row()
        if status is Status.OOM:
            self._drop_pipeline()

    def close(self) -> None:
        """Restore and let go of the pipeline."""
        self._drop_pipeline()

    def _is_kept(self, task: CellTask) -> bool:
        """Whether the lossless copy is there if it should be: an original's serves those compared with it."""
        wanted = task.reference_cell_id is None or task.keep_lossless
        return not wanted or self._store.exists(lossless_path(task.cell_id))

    def _make(
        self, task: CellTask, existing: CellRecord | None, attempt: int, started_at: float
    ) -> tuple[CellRecord, Frames]:
        if existing is not None:
            # Made before, but not scored to the end.
            frames = self._lossless(task.cell_id)
            if frames is not None:
                return existing, frames
        else:
            # Of a record that was taken back: other frames may follow.
            self._store.forget_scores(task.cell_id)
        made = self._generate(task)
        sha256 = frames_sha256(made.frames)
        if existing is not None and existing.frames_sha256 != sha256:
            raise InvalidVideoError(
                f"cell {task.cell_id} made again differs from its record ({sha256[:12]} against"
                f" {(existing.frames_sha256 or '')[:12]}); remove the record to accept the new one"
            )
        with tempfile.TemporaryDirectory() as folder:
            video, lossless = Path(folder, "video.mp4"), Path(folder, "video.mkv")
            write_lossless(made.frames, lossless, task.fps)
            self._store.put_file(lossless, lossless_path(task.cell_id))
            if existing is not None:
                return existing, made.frames
            write_mp4(made.frames, video, task.fps)
            self._store.put_file(video, task.video)
            video_sha256, video_bytes = _file_sha256(video), video.stat().st_size
        record = self._record(
            task,
            attempt,
            started_at,
            Status.OK,
            latency=made.latency,
            flops=made.flops,
            memory=made.memory,
            decisions=made.decisions,
            nfe=made.nfe,
            noise_sha256=made.noise_sha256,
            video=task.video,
            video_sha256=video_sha256,
            video_bytes=video_bytes,
            frames_sha256=sha256,
            lossless=lossless_path(task.cell_id),
        )
        if not self._store.write_cell(record):
            record = self._committed_before(record)
        return record, made.frames

    def _committed_before(self, late: CellRecord) -> CellRecord:
        """The record of another worker that made the same cell at the same time.

        Raises:
            StoreError: its frames were others, as on another kind of device; of neither is sure whose files lie there.
        """
        first = self._store.cells([late.cell_id]).get(late.cell_id)
        if first is not None and first.frames_sha256 == late.frames_sha256:
            return first
        why = f"cell {late.cell_id} was made by two workers at once and their frames differ; it is to be made again"
        if first is not None:
            self._store.withdraw_cell(first, why)
        raise StoreError(why)

    def _record(self, task: CellTask, attempt: int, started_at: float, status: Status, **measured: Any) -> CellRecord:
        return task.record(
            status,
            attempt=attempt,
            started_at=started_at,
            worker=self._name,
            environment=self._environment,
            **measured,
        )

    def _unscored(self, task: CellTask, existing: CellRecord | None) -> list[str]:
        """Metrics of a cell that have no answer yet, only the reason why there is none, or one about other frames."""
        if existing is None:
            return list(task.metrics)
        scored = self._store.scores([task.cell_id]).get(task.cell_id, {})
        valid = {
            name
            for name, score in scored.items()
            if score.status == "ok" and score.holds_for(existing, task.reference_cell_id)
        }
        return [name for name in task.metrics if name not in valid]

    def _score(self, task: CellTask, metrics: list[str], frames: Frames) -> None:
        """Write one score record for each of these metrics."""
        reference: Frames | None = None
        for name in metrics:
            if name not in self._metrics:
                self._metrics[name] = load_metric(name)
            metric = self._metrics[name]
            if metric.needs_reference and task.reference_cell_id is not None and reference is None:
                reference = self._lossless(task.reference_cell_id)
            self._store.write_score(self._score_one(task, name, metric, frames, reference))

    def _score_one(
        self, task: CellTask, name: str, metric: Metric, frames: Frames, reference: Frames | None
    ) -> ScoreRecord:
        values: dict[str, float | None] = {}
        reason: str | None = None
        status: Any = "ok"
        try:
            if metric.needs_reference and task.reference_cell_id is None:
                # An original is not compared with itself: the values do not apply, and the cell is scored.
                values = dict.fromkeys(metric.values)
            elif metric.needs_reference and reference is None:
                raise MetricUnavailableError("the original's video of this prompt and sample is missing or damaged")
            else:
                values = metric.score(frames, reference, task.key.prompt)
            bad = [key for key, value in values.items() if value is not None and not np.isfinite(value)]
            if bad:
                raise ValueError(f"{', '.join(bad)} is not a finite number")
        except MetricUnavailableError as error:
            status, reason, values = "unavailable", str(error), {}
        except Exception as error:
            status, reason, values = "failed", one_line(error), {}
        return ScoreRecord(
            cell_id=task.cell_id,
            metric=name,
            status=status,
            reason=reason,
            values=values,
            frames_sha256=frames_sha256(frames),
            reference_cell_id=task.reference_cell_id if metric.needs_reference else None,
            scored_at=time.time(),
        )

    def _lossless(self, cell_id: str) -> Frames | None:
        """The frames of a finished cell; None where the copy is gone or damaged."""
        path = lossless_path(cell_id)
        if not self._store.exists(path):
            return None
        try:
            with self._store.local_path(path) as local:
                return read_video(local)
        except StoreError as error:
            LOGGER.warning("%s", error)
            return None

    def _pipeline(self, spec: ModelSpec) -> Resident:
        if self._resident is None or self._resident.spec != spec:
            self._drop_pipeline()
            self._resident = Resident(spec, self._device)
            # Garbage is collected before each cell; that need not go through everything imported and loaded each time.
            gc.collect()
            gc.freeze()
        return self._resident

    def _drop_row(self) -> None:
        if self._resident is not None:
            self._resident.leave_row()

    def _drop_pipeline(self) -> None:
        if self._resident is not None:
            self._resident.close()
            self._resident = None
            gc.unfreeze()
        gc.collect()
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()


def _status_of(error: BaseException) -> Status:
    if isinstance(error, RankError):
        return error.status
    starved = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
    if starved or any(words in str(error) for words in _OUT_OF_MEMORY):
        return Status.OOM
    if isinstance(error, InvalidVideoError):
        return Status.INVALID
    return Status.FAILED


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
