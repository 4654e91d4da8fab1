"""The fleet on a real local Ray, with workers that crash, raise and hang on demand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_worker import BROKEN_WORKER, WORKER, executions, make_task

import harness.fleet as fleet
from harness.driver import FleetError
from harness.errors import StoreFullError
from harness.events import EventKind, FleetEvent, FleetSummary
from harness.parallel import Parallel
from harness.ray_cluster import joined_ray
from harness.records import Status
from harness.resources import Resources
from harness.store import Store
from harness.task import CellTask

HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def ray_for_all() -> Iterator[None]:
    """One local Ray for the file, whose actors can import the fake worker."""
    with pytest.MonkeyPatch.context() as patch:
        root = HERE.parent.parent
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(root), os.environ.get("PYTHONPATH", "")]))
        with joined_ray(None, cpus=4):
            yield


def run(tmp_path: Path, tasks: list[CellTask], **options: object) -> tuple[FleetSummary, list[FleetEvent]]:
    events: list[FleetEvent] = []
    settings: dict[str, object] = {"worker": WORKER, "workers": 2, "backoff_s": 0.05} | options
    store = Store(str(tmp_path))
    summary = fleet.run_fleet(tasks, store.cell_ids(), str(tmp_path), on_event=events.append, **settings)  # type: ignore[arg-type]
    return summary, events


def kinds(events: list[FleetEvent], cell_id: str) -> list[EventKind]:
    return [event.kind for event in events if event.cell_id == cell_id]


def test_cells_are_made_once_references_first(tmp_path: Path) -> None:
    originals = [make_task("ok", prompt_index=index) for index in range(4)]
    others = [
        make_task("ok", row="fast", row_index=1, prompt_index=index, reference=task, cost=0.5)
        for index, task in enumerate(originals)
    ]
    summary, events = run(tmp_path, [*originals, *others])
    assert summary.complete
    assert (summary.made, summary.failed, summary.attempts) == (8, 0, 8)
    ran = executions(tmp_path)
    for task, reference in zip(others, originals, strict=True):
        assert ran.index(("commit", reference.cell_id)) < ran.index(("start", task.cell_id))
    assert [totals.cells for totals in events[0].totals] == [4, 4]
    assert events[-1].kind is EventKind.ENDED

    again, _ = run(tmp_path, [*originals, *others])
    assert again.complete
    assert again.already_done == 8
    assert executions(tmp_path) == ran


def test_every_fault_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    faults = [
        make_task(prompt, prompt_index=index) for index, prompt in enumerate(["exit", "raise", "fail", "invalid"])
    ]
    exit_, raise_, fail, invalid = faults
    rescued = make_task("once-exit", prompt_index=10)
    kept = make_task("crash-after-commit", prompt_index=11)
    unscored = make_task("once-exit-unscored", prompt_index=12)
    good = [make_task("ok", prompt_index=20 + index) for index in range(4)]
    dependent = make_task("ok", row="fast", prompt_index=0, reference=exit_)
    summary, events = run(tmp_path, [*faults, rescued, kept, unscored, *good, dependent], max_attempts=2)

    assert (summary.made, summary.failed) == (8, 4)
    assert not summary.complete
    assert not summary.interrupted
    store = Store(str(tmp_path))
    failures = store.failures([task.cell_id for task in faults])
    assert failures[raise_.cell_id].reason == "ValueError: a bug in cell 1"
    assert failures[fail.cell_id].reason == "told to fail"
    assert failures[invalid.cell_id].status is Status.INVALID
    assert "was lost" in (failures[exit_.cell_id].reason or "")
    assert failures[exit_.cell_id].attempt == 2
    # Not worth another attempt, worth one, and done at the second.
    assert kinds(events, invalid.cell_id) == [EventKind.DISPATCHED, EventKind.FAILED]
    twice = [EventKind.DISPATCHED, EventKind.RETRYING, EventKind.DISPATCHED, EventKind.FAILED]
    assert kinds(events, fail.cell_id) == twice
    assert store.cells([rescued.cell_id])[rescued.cell_id].attempt == 2
    assert store.failures([rescued.cell_id]) == {}
    # What was committed before its worker died is not made again.
    assert executions(tmp_path).count(("start", kept.cell_id)) == 1
    # What was committed but not scored is scored.
    assert store.scores([unscored.cell_id])[unscored.cell_id].keys() == {"psnr"}
    assert executions(tmp_path).count(("commit", unscored.cell_id)) == 1
    assert {dependent.cell_id, *(task.cell_id for task in good)} <= store.cell_ids()


def test_a_cell_that_hangs_is_killed(tmp_path: Path) -> None:
    hanging, good = make_task("sleep 600"), make_task("ok", prompt_index=1)
    began = time.monotonic()
    summary, _ = run(tmp_path, [hanging, good], workers=1, cell_timeout_s=0.5, max_attempts=1)
    assert time.monotonic() - began < 120
    assert (summary.made, summary.failed) == (1, 1)
    failure = Store(str(tmp_path)).failures([hanging.cell_id])[hanging.cell_id]
    assert failure.status is Status.TIMEOUT
    assert "0.5 s" in (failure.reason or "")


def test_a_worker_that_keeps_failing_is_replaced_and_named(tmp_path: Path) -> None:
    tasks = [make_task("fail", prompt_index=index) for index in range(3)] + [make_task("ok", prompt_index=3)]
    summary, events = run(tmp_path, tasks, workers=1, max_attempts=1)
    assert summary.workers_replaced == 1
    assert summary.made == 1
    (lost,) = [event for event in events if event.kind is EventKind.WORKER_LOST]
    assert "worker-1 (" in (lost.message or "")
    assert "3 cells in a row" in (lost.message or "")


def test_a_full_store_ends_the_run_and_no_cell_is_to_blame(tmp_path: Path) -> None:
    tasks = [make_task("ok", cost=2.0), make_task("full", prompt_index=1)]
    with pytest.raises(StoreFullError, match="no space left on this disk; 1 of 2 cells are left"):
        run(tmp_path, tasks, workers=1)
    store = Store(str(tmp_path))
    assert store.cell_ids() == {tasks[0].cell_id}
    assert store.failure_stamps() == {}


def test_workers_that_cannot_be_built_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=f"no model for {tmp_path.name}"):
        run(tmp_path, [make_task("ok")], worker=BROKEN_WORKER)
    with pytest.raises(FleetError, match="NoSuch"):
        run(tmp_path, [make_task("ok")], worker="fake_worker:NoSuch")
    assert executions(tmp_path) == []


def test_no_room_is_an_error_with_the_numbers(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"99 CPUs, 0 GPUs, which .* the largest has 4 CPUs and 0 GPUs"):
        run(tmp_path, [make_task("ok")], workers=None, cpus_per_worker=99)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at '127.0.0.1:1'"),
        ("http://head:8265", "give HOST:PORT"),
        ("x:y", "x:y"),
    ],
)
def test_an_address_where_nobody_is_fails_at_once(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(FleetError, match=message):
        run(tmp_path, [make_task("ok")], address=address)


def test_a_finished_suite_needs_no_ray(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from fake_worker import make_task\n"
        "from harness.fleet import run_fleet\n"
        "task = make_task('ok')\n"
        "assert run_fleet([task], {task.cell_id}, sys.argv[1]).complete\n"
        "assert 'ray' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


def test_cells_go_where_their_model_may_run_or_the_suite_is_refused(tmp_path: Path) -> None:
    """The label is one that Ray gives to its head by itself."""

    def labelled(label: str) -> list[CellTask]:
        tasks = [make_task("ok", row="labelled", prompt_index=index, model="labelled") for index in range(2)]
        model = replace(tasks[0].model, resources=Resources(labels=frozenset({label})))
        return [replace(task, model=model) for task in tasks]

    plain = [make_task("ok", prompt_index=index) for index in range(2)]
    summary, _ = run(tmp_path, [*plain, *labelled("node:__internal_head__")])
    assert summary.complete
    assert len(executions(tmp_path)) == 8
    with pytest.raises(FleetError, match="accelerator_type:H200, which model 'labelled' needs: none of the 1 machines"):
        run(tmp_path / "nowhere", [*plain, *labelled("accelerator_type:H200")])


def on_two_devices(task: CellTask) -> CellTask:
    return replace(task, model=replace(task.model, parallel=Parallel(ulysses=2), resources=Resources(ranks=2)))


def test_a_worker_of_two_ranks_takes_two_places_and_dies_with_either(tmp_path: Path) -> None:
    hit, other = (
        on_two_devices(make_task(prompt, prompt_index=at)) for at, prompt in enumerate(["once-peer-exit", "ok"])
    )
    summary, events = run(tmp_path, [hit, other], workers=1)
    assert (summary.made, summary.failed, summary.attempts, summary.workers_replaced) == (2, 0, 3, 1)
    (lost,) = [event for event in events if event.kind is EventKind.WORKER_LOST]
    assert "one of its ranks ended" in (lost.message or "")
    (started, *_) = [event for event in events if event.kind is EventKind.WORKER_STARTED]
    assert "and 1 more" in (started.worker or "")


def test_ranks_are_on_one_machine_or_the_suite_is_refused(tmp_path: Path) -> None:
    task = make_task("ok")
    wide = replace(task, model=replace(task.model, resources=Resources(ranks=8)))
    with pytest.raises(FleetError, match=r"8 ranks of 1 CPUs, 0 GPUs each, which model 'tiny' needs: none of the 1 "):
        run(tmp_path, [wide], workers=None)
