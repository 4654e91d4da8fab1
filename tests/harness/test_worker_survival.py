"""The real worker around a pipeline that costs nothing: killed between any two writes, out of memory, out of room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fake_worker import make_score, make_task

from harness import worker as module
from harness.errors import StoreFullError
from harness.files import Files
from harness.ledger import Ledger
from harness.records import Status
from harness.resume import what_is_done
from harness.store import Store, lossless_path
from harness.task import CellTask, ModelSpec
from harness.video import frames_sha256, read_video
from harness.worker import Worker

ORIGINAL = make_task("ok")
FAST = make_task("ok", row="fast", row_index=1, reference=ORIGINAL)
VOLATILE = {"started_at", "finished_at", "worker", "attempt"}


class Killed(BaseException):
    """SIGKILL, as far as one process can play it: nothing catches it."""


class FreeResident:
    """A resident pipeline whose videos are noise of the task's own."""

    offset = 0

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self.spec = spec

    def generate(self, task: CellTask) -> Any:
        seed = int(task.cell_id[:8], 16) + self.offset
        frames = np.random.default_rng(seed).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        nothing = {"latency": None, "flops": None, "memory": None, "decisions": (), "nfe": None, "noise_sha256": None}
        return SimpleNamespace(frames=frames, **nothing)

    def leave_row(self) -> None:
        """Nothing is on it."""

    def close(self) -> None:
        """Nothing is on it."""


class Difference:
    """Instead of PSNR: exact, and at once there."""

    values = ("psnr",)
    needs_reference = True

    def score(self, frames: Any, reference: Any, prompt: str) -> dict[str, float]:
        return {"psnr": float(np.abs(frames.astype(int) - reference.astype(int)).mean())}


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Resident", FreeResident)
    monkeypatch.setattr(module, "load_metric", lambda name: Difference())
    monkeypatch.setattr(module, "describe_environment", lambda device: {"device": device})
    # With nothing loaded, collecting garbage would be all that these workers spend time on.
    idle = SimpleNamespace(collect=lambda: None, freeze=lambda: None, unfreeze=lambda: None)
    monkeypatch.setattr(module, "gc", idle)


def contents(store: Store) -> dict[str, Any]:
    ids = store.cell_ids()
    found: dict[str, Any] = {
        cell_id: record.model_dump(exclude=VOLATILE) for cell_id, record in store.cells(ids).items()
    }
    for cell_id, scores in store.scores(ids).items():
        found |= {f"{cell_id}.{name}": score.model_dump(exclude={"scored_at"}) for name, score in scores.items()}
    for folder in ("videos", "tmp", "failures"):
        found |= {path: store.read_bytes(path) for path in store.listing(folder)}
    for path in store.listing("lossless"):
        # Matroska gives each file an id of its own.
        with store.local_path(path) as local:
            found[path] = frames_sha256(read_video(local))
    return found


def make_both(root: Path) -> Store:
    worker = Worker(str(root), "cpu")
    for task in (ORIGINAL, FAST):
        assert worker.run(task).status is Status.OK
    return Store(str(root))


def killed_at(number: int, after: bool) -> Callable[[str], Any]:
    """What wraps the writes of `Files`: the process dies before or after the `number`-th of them all."""
    count = [0]

    def wrap(name: str) -> Any:
        real = getattr(Files, name)

        def write(self: Files, *arguments: Any) -> Any:
            count[0] += 1
            mine = count[0] == number
            if mine and not after:
                raise Killed
            result = real(self, *arguments)
            if mine:
                raise Killed
            return result

        return write

    return wrap


def test_killed_before_or_after_any_write_the_next_worker_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    expected = contents(make_both(tmp_path / "undisturbed"))
    assert {ORIGINAL.cell_id, FAST.cell_id, ORIGINAL.video, FAST.video, lossless_path(ORIGINAL.cell_id)} < set(expected)
    for after in (False, True):
        for number in range(1, 100):
            root = tmp_path / f"{number}-{after}"
            with pytest.MonkeyPatch.context() as patch:
                wrap = killed_at(number, after)
                for name in ("create", "replace", "put_file", "remove"):
                    patch.setattr(Files, name, wrap(name))
                try:
                    make_both(root)
                except Killed:
                    pass
                else:
                    break
            assert contents(make_both(root)) == expected, f"killed {'after' if after else 'before'} write {number}"
        assert 10 < number < 99


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), Status.OOM),
        (RuntimeError("CUDA error: out of memory"), Status.OOM),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), Status.OOM),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Status.FAILED),
    ],
)
def test_running_out_of_a_device_is_told_from_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: Status
) -> None:
    def fail(self: FreeResident, task: CellTask) -> Any:
        raise error

    monkeypatch.setattr(FreeResident, "generate", fail)
    record = Worker(str(tmp_path), "cpu").run(ORIGINAL)
    assert record.status is status
    assert type(error).__name__ in (record.reason or "")


def test_a_full_store_is_not_the_cells_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Files, local: object, path: str) -> None:
        raise StoreFullError("no space left")

    monkeypatch.setattr(Files, "put_file", refuse)
    with pytest.raises(StoreFullError):
        Worker(str(tmp_path), "cpu").run(ORIGINAL)
    assert Store(str(tmp_path)).cell_ids() == set()


def test_a_video_cut_short_is_made_again(tmp_path: Path) -> None:
    expected = contents(make_both(tmp_path / "undisturbed"))
    store, ids = make_both(tmp_path / "store"), {ORIGINAL.cell_id: None, FAST.cell_id: ORIGINAL.cell_id}
    video = tmp_path / "store" / FAST.video
    video.write_bytes(video.read_bytes()[:-10])
    with Ledger(tmp_path / "ledger") as ledger:
        assert what_is_done(store, ledger, ids, ["psnr"]) == {ORIGINAL.cell_id}
        assert store.scores(ids).keys() == {ORIGINAL.cell_id}
        make_both(tmp_path / "store")
        assert what_is_done(store, ledger, ids, ["psnr"]) == set(ids)
        # A store that is kept without its videos is no store of damaged ones.
        video.unlink()
        assert what_is_done(store, ledger, ids, ["psnr"]) == set(ids)
    assert {path for path in contents(store) if path != FAST.video} == expected.keys() - {FAST.video}


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen while the next video is made."""
    real = FreeResident.generate

    def generate(self: FreeResident, task: CellTask) -> Any:
        monkeypatch.setattr(FreeResident, "generate", real)
        act()
        return real(self, task)

    monkeypatch.setattr(FreeResident, "generate", generate)


def test_of_two_workers_at_one_cell_the_first_record_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, lambda: Worker(str(tmp_path), "cpu").run(ORIGINAL, attempt=7))
    assert Worker(str(tmp_path), "cpu").run(ORIGINAL).attempt == 7
    assert Store(str(tmp_path)).cells([ORIGINAL.cell_id])[ORIGINAL.cell_id].attempt == 7


def test_of_two_workers_whose_frames_differ_neither_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path))

    def on_another_device() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(FreeResident, "offset", 1)
            assert Worker(str(tmp_path), "cpu").run(ORIGINAL, attempt=7).status is Status.OK

    meanwhile(monkeypatch, on_another_device)
    record = Worker(str(tmp_path), "cpu").run(ORIGINAL)
    assert record.status is Status.FAILED
    assert "by two workers at once and their frames differ" in (record.reason or "")
    assert store.cell_ids() == set()
    assert store.scores([ORIGINAL.cell_id]) == {}
    assert Worker(str(tmp_path), "cpu").run(ORIGINAL, attempt=2).status is Status.OK


def test_with_another_original_it_is_compared_anew_and_not_made(tmp_path: Path) -> None:
    store = make_both(tmp_path / "store")
    before = store.cells([FAST.cell_id])
    other = make_task("ok", row="another original")
    again = replace(FAST, reference_cell_id=other.cell_id)
    with Ledger(tmp_path / "ledger") as ledger:
        references = {ORIGINAL.cell_id: None, FAST.cell_id: other.cell_id}
        assert what_is_done(store, ledger, references, ["psnr"]) == {ORIGINAL.cell_id}
        worker = Worker(store.root, "cpu")
        old = store.scores([FAST.cell_id])[FAST.cell_id]["psnr"].values
        worker.run(other)
        worker.run(again)
        assert what_is_done(store, ledger, references, ["psnr"]) == set(references)
    score = store.scores([FAST.cell_id])[FAST.cell_id]["psnr"]
    assert (score.reference_cell_id, store.cells([FAST.cell_id])) == (other.cell_id, before)
    assert score.values != old


def test_scores_of_a_record_that_was_taken_back_are_not_kept(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_score(make_score(ORIGINAL, value=99.0))
    store.write_score(make_score(ORIGINAL, metric="gone", value=99.0))
    Worker(str(tmp_path), "cpu").run(ORIGINAL)
    assert store.scores([ORIGINAL.cell_id])[ORIGINAL.cell_id].keys() == {"psnr"}
    assert store.scores([ORIGINAL.cell_id])[ORIGINAL.cell_id]["psnr"].values == {"psnr": None}
