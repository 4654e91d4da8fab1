"""Cells whose content follows from their id, made in the order of the real worker, and what is compared of them."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.records import CellKey, CellRecord, ScoreRecord, Status
from harness.storage_faults import PATIENCE_S
from harness.store import Store, lossless_path
from harness.task import CellTask, ModelSpec

WORKER = "tests.chaos.cells:ChaosWorker"
ROWS = ("original", "fora", "teacache", "disca")
METRIC = "distance"
VIDEO_BYTES = 20_000
FAULTY_PERCENT = 1
"""Of the cells' first attempts: as many raise, and as many run out of memory."""

VOLATILE = {"started_at", "finished_at", "attempt", "worker"}
"""What may differ between two runs."""


def chaos_tasks(cells: int, seconds: float) -> list[CellTask]:
    """Rows of as many cells, all but the first compared with that one; a cell takes `seconds` on average."""
    tasks: list[CellTask] = []
    for index, row in enumerate(ROWS):
        for prompt_index in range(cells // len(ROWS)):
            reference = tasks[prompt_index].cell_id if index else None
            tasks.append(_task(row, index, prompt_index, reference, seconds))
    return tasks


def _task(row: str, row_index: int, prompt_index: int, reference: str | None, seconds: float) -> CellTask:
    key = CellKey(
        family="wan",
        model="models/chaos",
        model_fingerprint="f" * 8,
        dtype="float32",
        method=row,
        config={},
        code="c" * 8,
        sampling={},
        prompt=f"prompt {prompt_index}",
        seed=prompt_index,
    )
    return CellTask(
        cell_id=key.cell_id,
        key=key,
        model=ModelSpec(label="chaos", family="wan", model="models/chaos", revision=None, dtype="float32"),
        suite="chaos",
        row=row,
        row_key=row * 2,
        row_index=row_index,
        prompt_index=prompt_index,
        sample_index=0,
        video=f"videos/{row}/prompt {prompt_index}-0.mp4",
        reference_cell_id=reference,
        metrics=(METRIC,),
        expected_cost=seconds,
    )


class ChaosWorker:
    """Stands where `harness.worker.Worker` stands; every hundredth cell fails at first."""

    def __init__(self, store_root: str) -> None:
        self._store = Store(store_root, PATIENCE_S)

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Sleep, then store a video, a lossless copy, the record and a score, each only if it is missing."""
        number, started_at = int(task.cell_id[:8], 16), time.time()
        if attempt == 1 and number % 100 < FAULTY_PERCENT:
            raise ValueError("a bug that shows at first attempts")
        if attempt == 1 and number % 100 < 2 * FAULTY_PERCENT:
            return task.record(Status.OOM, reason="no memory", attempt=attempt, started_at=started_at, worker="chaos")
        time.sleep(task.expected_cost * (0.5 + number % 1000 / 1000))
        content = hashlib.sha256(task.cell_id.encode()).digest() * (VIDEO_BYTES // 32)
        record = self._store.cells([task.cell_id]).get(task.cell_id)
        if record is None:
            self._store.forget_scores(task.cell_id)
            self._put(content, lossless_path(task.cell_id))
            self._put(content, task.video)
            digest = hashlib.sha256(content).hexdigest()
            record = task.record(
                Status.OK,
                attempt=attempt,
                started_at=started_at,
                worker="chaos",
                video=task.video,
                video_sha256=digest,
                video_bytes=len(content),
                frames_sha256=digest,
            )
            self._store.write_cell(record)
        self._store.write_score(
            ScoreRecord(
                cell_id=task.cell_id,
                metric=METRIC,
                status="ok",
                values={METRIC: self._distance(task, content)},
                frames_sha256=record.frames_sha256,
                reference_cell_id=task.reference_cell_id,
                scored_at=time.time(),
            )
        )
        if task.reference_cell_id is not None:
            self._store.remove(lossless_path(task.cell_id))
        return record

    def _distance(self, task: CellTask, content: bytes) -> float | None:
        if task.reference_cell_id is None:
            return None
        reference = self._store.read_bytes(lossless_path(task.reference_cell_id))
        assert reference is not None, "the original is made first"
        return sum(abs(a - b) for a, b in zip(content[:32], reference[:32], strict=True)) / 32

    def _put(self, content: bytes, path: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "content")
            local.write_bytes(content)
            self._store.put_file(local, path)


def contents(store: Store) -> dict[str, Any]:
    """All that a store holds and that may not depend on what happened meanwhile, by path."""
    found: dict[str, Any] = {}
    ids = store.cell_ids()
    for record in store.cells(ids).values():
        found[f"cells/{record.cell_id}"] = record.model_dump(mode="json", exclude=VOLATILE)
    for cell_id, scores in store.scores(ids).items():
        for metric, score in scores.items():
            found[f"scores/{cell_id}.{metric}"] = score.model_dump(mode="json", exclude={"scored_at"})
    for folder in ("videos", "lossless"):
        for path in store.listing(folder):
            found[path] = hashlib.sha256(store.read_bytes(path) or b"").hexdigest()
    return found


def undisturbed(tasks: list[CellTask], root: Path) -> dict[str, Any]:
    """The same cells made one after the other, in one process where nothing is killed."""
    worker = ChaosWorker(str(root))
    for task in tasks:
        worker.run(replace(task, expected_cost=0.0), attempt=2)
    return contents(Store(str(root)))
