"""Two processes on a CPU make each video together; see `harness.ranks`."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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
    """The other process; `fault` is what goes wrong at its first cell."""

    fault = ""

    def _part(self, task: CellTask) -> Made:
        fault, self.fault = self.fault, ""
        if fault == "starves":
            raise MemoryError("no room on this rank")
        if fault == "dies":
            os._exit(1)
        if fault == "other seed":
            task = replace(task, key=task.key.model_copy(update={"seed": 7}))
        return super()._part(task)


def follow(address: str, store: str, fault: str) -> None:
    torch.set_num_threads(1)
    worker = Follower(store, "cpu", Ranks.join(address, 1, 2))
    worker.fault = fault
    worker.follow()


@contextmanager
def two_ranks(store: Path, fault: str = "") -> Iterator[Worker]:
    ranks = Ranks.lead(2)
    other = multiprocessing.get_context("spawn").Process(target=follow, args=(ranks.address, str(store), fault))
    other.start()
    leader = Worker(str(store), "cpu", ranks)
    try:
        yield leader
    finally:
        leader.close()
        other.kill()
        other.join()


@pytest.fixture(scope="module")
def made(
    tasks: dict[str, CellTask], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, tuple[Store, dict[str, CellRecord]]]:
    """All cells made by one process, and by two."""
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    worker = Worker(str(alone), "cpu")
    found = {1: (Store(str(alone)), {name: worker.run(task) for name, task in tasks.items()})}
    worker.close()
    with two_ranks(together) as leader:
        found[2] = (Store(str(together)), {name: leader.run(spread(task)) for name, task in tasks.items()})
    return found


def frames(store: Store, record: CellRecord) -> Any:
    with store.local_path(lossless_path(record.cell_id)) as path:
        return read_video(path).astype(int)


def test_the_video_is_that_of_one_process_but_for_rounding(made: Any) -> None:
    for name, record in made[2][1].items():
        assert record.status is Status.OK, record.reason
        one, two = (frames(store, records[name]) for store, records in made.values())
        assert abs(one - two).max() <= 1
        assert record.noise_sha256 == made[1][1][name].noise_sha256


def test_adaptive_rules_decide_as_on_one_device(made: Any) -> None:
    for name, record in made[2][1].items():
        alone = made[1][1][name].decisions
        assert [(one.action, one.level) for one in record.decisions] == [(one.action, one.level) for one in alone]
        two, one = ([one.distance for one in every if one.distance is not None] for every in (record.decisions, alone))
        assert two == pytest.approx(one, rel=1e-4)
    actions = {one.action for name in ("teacache", "adacache") for one in made[2][1][name].decisions}
    assert actions == {"compute", "reuse"}


def test_work_is_that_of_all_ranks_and_memory_that_of_one(made: Any) -> None:
    for name, record in made[2][1].items():
        alone = made[1][1][name]
        # What both compute (the embedding of time and text) counts twice.
        assert alone.flops.denoiser < record.flops.denoiser < 1.5 * alone.flops.denoiser
        assert record.nfe == pytest.approx(alone.nfe * record.flops.denoiser / alone.flops.denoiser)
        assert record.flops.decode == alone.flops.decode
        assert not record.flops.unseen_ops
    # Residuals of half of the tokens, beside signals that every rank holds whole.
    one, two = (records["adacache"].memory.cache_bytes for _, records in made.values())
    assert two == one / 2


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("starves", Status.OOM, "rank 1 of 2: MemoryError: no room on this rank"),
        ("other seed", Status.INVALID, "rank 1 of 2 had another noise than the leader"),
    ],
)
def test_a_rank_that_fails_is_named_and_the_next_cell_is_made(
    tasks: dict[str, CellTask], tmp_path: Path, fault: str, status: Status, words: str
) -> None:
    task = spread(tasks["original"])
    with two_ranks(tmp_path, fault) as leader:
        failed = leader.run(task)
        again = leader.run(task, attempt=2)
    assert failed.status is status
    assert words in str(failed.reason)
    assert again.status is Status.OK, again.reason


def test_a_rank_that_dies_leaves_no_leader_waiting(tasks: dict[str, CellTask], tmp_path: Path) -> None:
    with two_ranks(tmp_path, "dies") as leader:
        began = time.monotonic()
        record = leader.run(spread(tasks["original"]))
        assert time.monotonic() - began < 60
    assert record.status is Status.FAILED


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
