"""Two processes on a CPU make each video together; see `harness.ranks`."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import ModelError
from harness.parallel import Parallel
from harness.plan import make_plan
from harness.ranks import RankError, Ranks, Share
from harness.records import CellRecord, Status
from harness.resident import Made, Resident
from harness.store import Store, lossless_path
from harness.suite import load_suite
from harness.task import CellTask
from harness.video import read_video
from harness.worker import Worker
from methods.families.wan import Wan

SUITE = """\
models:
  tiny:
    family: wan
    model: ./model
    dtype: float32
    sampling: {num_inference_steps: 6, guidance_scale: 3, height: 32, width: 32, num_frames: 5, max_sequence_length: 8}
prompts: [a red circle]
methods:
  - method: original
  - {method: teacache, rel_l1_thresh: 0.3}
  - {method: adacache}
metrics: [psnr]
"""
BOTH = Parallel(ulysses=2)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CellTask]:
    """One cell a row, on one device."""
    folder = tmp_path_factory.mktemp("suite")
    Wan().tiny(0).save_pretrained(folder / "model")
    path = folder / "ranks.yaml"
    path.write_text(SUITE)
    return {task.key.method: replace(task, keep_lossless=True) for task in make_plan(load_suite(path)).tasks()}


def spread(task: CellTask, parallel: Parallel = BOTH) -> CellTask:
    return replace(task, model=replace(task.model, parallel=parallel))


class Follower(Worker):
    """The other process; a task's row says what goes wrong in it."""

    def _part(self, task: CellTask) -> Made:
        if task.row == "starves":
            raise MemoryError("no room on this rank")
        if task.row == "dies":
            os._exit(1)
        if task.row == "other seed":
            task = replace(task, key=task.key.model_copy(update={"seed": 7}))
        return super()._part(task)


def follow(address: str, store: str) -> None:
    torch.set_num_threads(1)
    Follower(store, "cpu", Ranks.join(address, 1, 2)).follow()


@contextmanager
def two_ranks(store: Path) -> Iterator[Worker]:
    """The leader; where it waits in vain it gives up within minutes, and so does the other, which it leaves."""
    ranks = Ranks.lead(2)
    other = multiprocessing.get_context("spawn").Process(target=follow, args=(ranks.address, str(store)))
    other.start()
    leader = Worker(str(store), "cpu", ranks)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harness.ranks.STEP_PATIENCE", timedelta(minutes=3))
            yield leader
    finally:
        leader.close()
        other.kill()
        other.join()


@dataclass(frozen=True)
class Found:
    """The cells of one process, those of two, and what became of cells in which the second one failed."""

    stores: tuple[Store, Store]
    alone: dict[str, CellRecord]
    together: dict[str, CellRecord]
    faults: dict[str, CellRecord]
    after: dict[str, CellRecord]
    """The same cell again after each fault but the last."""
    waited_s: float
    """For the one that died."""


@pytest.fixture(scope="module")
def found(tasks: dict[str, CellTask], tmp_path_factory: pytest.TempPathFactory) -> Found:
    stores = [Store(str(tmp_path_factory.mktemp(name))) for name in ("alone", "together")]
    worker = Worker(stores[0].root, "cpu")
    alone = {name: worker.run(task) for name, task in tasks.items()}
    worker.close()
    faults, after = {}, {}
    with two_ranks(Path(stores[1].root)) as leader:
        together = {name: leader.run(spread(task)) for name, task in tasks.items()}
        for seed, fault in enumerate(("starves", "other seed"), start=10):
            cell = spread(tasks["original"])
            key = cell.key.model_copy(update={"seed": seed})
            cell = replace(cell, key=key, cell_id=key.cell_id, video=f"{fault}.mp4")
            faults[fault] = leader.run(replace(cell, row=fault))
            after[fault] = leader.run(cell, attempt=2)
        began = time.monotonic()
        key = tasks["original"].key.model_copy(update={"seed": 99})
        faults["dies"] = leader.run(replace(spread(tasks["original"]), key=key, cell_id=key.cell_id, row="dies"))
        waited_s = time.monotonic() - began
    return Found((stores[0], stores[1]), alone, together, faults, after, waited_s)


def frames(store: Store, record: CellRecord) -> Any:
    with store.local_path(lossless_path(record.cell_id)) as path:
        return read_video(path).astype(int)


def test_the_video_is_that_of_one_process_but_for_rounding(found: Found) -> None:
    for name, record in found.together.items():
        assert record.status is Status.OK, record.reason
        one, two = frames(found.stores[0], found.alone[name]), frames(found.stores[1], record)
        assert abs(one - two).max() <= 1
        assert record.noise_sha256 == found.alone[name].noise_sha256


def test_adaptive_rules_decide_as_on_one_device(found: Found) -> None:
    for name, record in found.together.items():
        alone = found.alone[name].decisions
        assert [(one.action, one.level) for one in record.decisions] == [(one.action, one.level) for one in alone]
        two, one = ([one.distance for one in every if one.distance is not None] for every in (record.decisions, alone))
        assert two == pytest.approx(one, rel=1e-4)
    actions = {one.action for name in ("teacache", "adacache") for one in found.together[name].decisions}
    assert actions == {"compute", "reuse"}


def test_work_is_that_of_all_ranks_and_memory_that_of_one(found: Found) -> None:
    for name, record in found.together.items():
        alone = found.alone[name]
        assert record.flops is not None
        assert alone.flops is not None
        # What both compute (the embedding of time and text) counts twice.
        assert alone.flops.denoiser < record.flops.denoiser < 1.5 * alone.flops.denoiser
        assert record.nfe == pytest.approx((alone.nfe or 0) * record.flops.denoiser / alone.flops.denoiser)
        assert record.flops.decode == alone.flops.decode
        assert not record.flops.unseen_ops
    one, two = (records["adacache"].memory for records in (found.alone, found.together))
    assert one is not None
    assert two is not None
    assert two.cache_bytes == one.cache_bytes / 2, "residuals of half of the tokens"


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("starves", Status.OOM, "rank 1 of 2: MemoryError: no room on this rank"),
        ("other seed", Status.INVALID, "rank 1 of 2 had another noise than the leader"),
    ],
)
def test_a_rank_that_fails_is_named_and_the_next_cell_is_made(
    found: Found, fault: str, status: Status, words: str
) -> None:
    assert found.faults[fault].status is status
    assert words in str(found.faults[fault].reason)
    assert found.after[fault].status is Status.OK, found.after[fault].reason


def test_a_rank_that_dies_leaves_no_leader_waiting(found: Found) -> None:
    assert found.faults["dies"].status is Status.FAILED
    assert found.waited_s < 60


def test_what_cannot_be_spread_is_said(tasks: dict[str, CellTask], tmp_path: Path) -> None:
    alone = Worker(str(tmp_path), "cpu")
    refused = alone.run(spread(tasks["original"]))
    assert "is spread over 2 devices, which this worker has not" in str(refused.reason)
    with pytest.raises(ModelError, match="ring attention needs CUDA and dtype bfloat16 or float16; use ulysses"):
        Resident(spread(tasks["original"], Parallel(ring=2)).model, "cpu")
    with pytest.raises(ModelError, match="2 attention heads cannot be shared by ulysses: 3; give a divisor"):
        Resident(spread(tasks["original"], Parallel(ulysses=3)).model, "cpu")


def test_errors_and_shares_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(RankError("rank 1 of 2: gone", Status.OOM)))
    assert (str(error), error.status) == ("rank 1 of 2: gone", Status.OOM)
    assert pickle.loads(pickle.dumps(Share(unseen_ops=("x",)))) == Share(unseen_ops=("x",))
