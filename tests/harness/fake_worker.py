"""Cells without a model: tasks and records for tests, and a worker that behaves as a task's prompt tells it to.

The prompt is a word, perhaps followed by seconds: `ok`, `sleep 0.5`, `raise`, `exit` (the process dies), `fail`, `oom`,
`invalid`, `full` (the store is), `crash-after-commit`, and, at the first attempt only, `once-exit`,
`once-exit-unscored` and `once-peer-exit` (of two ranks the one that follows dies, and the leader hangs). Each execution
appends lines to `executions.log` below the store's root, which is how tests count what really ran.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from harness.errors import StoreFullError
from harness.records import CellKey, CellRecord, ScoreRecord, Status
from harness.store import Store
from harness.task import CellTask, ModelSpec

WORKER = "fake_worker:FakeWorker"
BROKEN_WORKER = "fake_worker:BrokenWorker"
LOG = "executions.log"


def make_model(name: str = "tiny") -> ModelSpec:
    """A model that is never loaded."""
    return ModelSpec(label=name, family="wan", model=f"models/{name}", revision=None, dtype="float32")


def make_task(
    prompt: str,
    *,
    row: str = "original",
    row_index: int = 0,
    prompt_index: int = 0,
    reference: CellTask | None = None,
    model: str = "tiny",
    cost: float = 1.0,
) -> CellTask:
    """A task whose id follows from its arguments, as real ones do."""
    spec = make_model(model)
    key = CellKey(
        family=spec.family,
        model=spec.model,
        model_fingerprint="f" * 8,
        dtype=spec.dtype,
        method="original" if reference is None else "fewer_steps",
        config={"row": row},
        code="c" * 8,
        sampling={"steps": 2},
        prompt=prompt,
        seed=prompt_index,
    )
    return CellTask(
        cell_id=key.cell_id,
        key=key,
        model=spec,
        suite="fake",
        row=row,
        row_key=row * 2,
        row_index=row_index,
        prompt_index=prompt_index,
        sample_index=0,
        video=f"videos/{row}/{prompt}-{prompt_index}.mp4",
        reference_cell_id=None if reference is None else reference.cell_id,
        metrics=("psnr",),
        expected_cost=cost,
    )


def make_record(task: CellTask, status: Status = Status.OK, attempt: int = 1, reason: str | None = None) -> CellRecord:
    """The record of one attempt at a task."""
    return task.record(status, reason=reason, attempt=attempt, started_at=1_000.0, finished_at=1_002.0, worker="test")


def make_score(task: CellTask, metric: str = "psnr", value: float = 30.0) -> ScoreRecord:
    """One metric of a task's cell."""
    return ScoreRecord(cell_id=task.cell_id, metric=metric, status="ok", values={metric: value}, scored_at=1_003.0)


def executions(root: Path) -> list[tuple[str, str]]:
    """What really ran below this root, in order: (`start` or `commit`, cell id)."""
    log = root / LOG
    lines = log.read_text().splitlines() if log.exists() else []
    return [(what, cell_id) for what, cell_id in (line.split() for line in lines)]


class FakeWorker:
    """Stands where `harness.worker.Worker` stands."""

    def __init__(self, store_root: str, ranks: Any = None) -> None:
        self._store = Store(store_root)
        self._peer = Path(store_root) / "follower.pid"

    def follow(self) -> None:
        """Say who it is, and wait."""
        self._peer.write_text(str(os.getpid()))
        time.sleep(600)

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Do what the prompt says, writing sidecars in the order the real worker does."""
        self._log("start", task)
        word, _, seconds = task.key.prompt.partition(" ")
        if word == "exit" or (word == "once-exit" and attempt == 1):
            os._exit(1)
        if word == "once-peer-exit" and attempt == 1:
            while not self._peer.exists():
                time.sleep(0.05)
            os.kill(int(self._peer.read_text()), signal.SIGKILL)
            time.sleep(600)
        if word == "raise":
            raise ValueError(f"a bug in cell {task.prompt_index}")
        if word == "full":
            raise StoreFullError("no space left on this disk")
        if word in {"fail", "oom", "invalid"}:
            status = Status.FAILED if word == "fail" else Status(word)
            return make_record(task, status, attempt, reason=f"told to {word}")
        if word == "sleep":
            time.sleep(float(seconds))
        record = make_record(task, Status.OK, attempt)
        if self._store.write_cell(record):
            self._log("commit", task)
        if word == "once-exit-unscored" and attempt == 1:
            os._exit(1)
        self._store.write_score(make_score(task))
        if word == "crash-after-commit":
            os._exit(1)
        return record

    def _log(self, what: str, task: CellTask) -> None:
        # One short write in append mode is atomic, also between processes and under SIGKILL.
        descriptor = os.open(Path(self._store.root) / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{what} {task.cell_id}\n".encode())
        os.close(descriptor)


class BrokenWorker:
    """A worker that cannot be built, as one whose model is not there."""

    def __init__(self, store_root: str) -> None:
        raise RuntimeError(f"no model for {Path(store_root).name}")
