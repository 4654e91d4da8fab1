"""The driver's loop against workers in memory and a fake clock: every fault, no process, no waiting."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fake_worker import make_record, make_score, make_task
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.driver import Driver, FleetError
from harness.errors import StoreError, StoreFullError
from harness.events import EventKind, FleetEvent
from harness.pool import Broken, Full, Lost, Raised, Ready, Report, Returned
from harness.records import Status
from harness.resources import Resources
from harness.schedule import RetryPolicy
from harness.store import Store
from harness.task import CellTask

Behaviour = Callable[[str, CellTask, int], str]


class PoolInMemory:
    """Workers that take a second for everything and end each cell as `behave` says."""

    def __init__(self, store: Store, behave: Behaviour, broken: Callable[[str], bool] = lambda worker: False) -> None:
        self.now = 0.0
        self.started: list[str] = []
        self.executions: list[tuple[str, str]] = []
        self.on_wait: Callable[[], None] = lambda: None
        self._store = store
        self._behave = behave
        self._broken = broken
        self.devices: dict[str, str] = {}
        self._agenda: list[tuple[float, int, Report]] = []
        self._order = itertools.count()

    def start(self, worker: str) -> None:
        """A worker on the first device that is free, or none."""
        self.started.append(worker)
        number = next(number for number in itertools.count() if f"gpu {number}" not in self.devices.values())
        self.devices[worker] = f"gpu {number}"
        ready = Ready(worker, "here", self.devices[worker])
        self._later(1.0, Broken(worker, "no such model") if self._broken(worker) else ready)

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        """One execution."""
        self.executions.append((worker, task.cell_id))
        ending = self._behave(worker, task, attempt)
        if ending in {"ok", "commit and crash", "commit and hang"}:
            self._store.write_cell(make_record(task, attempt=attempt))
            self._store.write_score(make_score(task))
        match ending:
            case "ok" | "ok without sidecar":
                self._later(1.0, Returned(worker, make_record(task, attempt=attempt)))
            case "fail" | "invalid":
                status = Status.INVALID if ending == "invalid" else Status.FAILED
                self._later(1.0, Returned(worker, make_record(task, status, attempt, reason=ending)))
            case "raise":
                self._later(1.0, Raised(worker, "ValueError: a bug"))
            case "crash" | "commit and crash":
                self._later(1.0, Lost(worker, "the process died"))
            case "full":
                self._later(1.0, Full(worker, "no space left"))
            case "node gone":
                self._later(1.0, Lost(worker, "the node died", charge=False))

    def kill(self, worker: str) -> None:
        """Silence from now on."""
        self.devices.pop(worker, None)
        self._agenda = [entry for entry in self._agenda if entry[2].worker != worker]

    def wait(self, timeout_s: float) -> list[Report]:
        """Move the clock to whatever comes first."""
        self.on_wait()
        due = min((entry[0] for entry in self._agenda), default=float("inf"))
        self.now = min(due, self.now + timeout_s)
        ready = sorted(entry for entry in self._agenda if entry[0] <= self.now)
        self._agenda = [entry for entry in self._agenda if entry[0] > self.now]
        return [report for _, _, report in ready]

    def _later(self, seconds: float, report: Report) -> None:
        self._agenda.append((self.now + seconds, next(self._order), report))


class Run:
    """A driver, its pool and what it said."""

    def __init__(
        self,
        store: Store,
        tasks: list[CellTask],
        behave: Behaviour,
        *,
        attempts: int = 3,
        timeout_s: float | None = 10.0,
        broken: Callable[[str], bool] = lambda worker: False,
    ) -> None:
        self.store = store
        self.pool = PoolInMemory(store, behave, broken)
        self.events: list[FleetEvent] = []
        self.driver = Driver(
            tasks,
            store.cell_ids(),
            store,
            on_event=self.events.append,
            policy=RetryPolicy(max_attempts=attempts, backoff_s=1.0),
            cell_timeout_s=timeout_s,
            clock=lambda: self.pool.now,
        )

    def messages(self, kind: EventKind) -> list[str]:
        """What was said with one kind of event."""
        return [event.message or "" for event in self.events if event.kind is kind]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def suite(count: int) -> list[CellTask]:
    originals = [make_task("ok", prompt_index=index) for index in range(count)]
    return originals + [
        make_task("ok", row="fast", row_index=1, prompt_index=task.prompt_index, reference=task) for task in originals
    ]


def test_all_is_made_with_no_more_workers_than_cells(store: Store) -> None:
    run = Run(store, suite(2), lambda worker, task, attempt: "ok")
    summary = run.driver.run(run.pool, workers=16)
    assert summary.complete
    assert (summary.made, summary.attempts, summary.workers_replaced) == (4, 4, 0)
    assert len(run.pool.started) == 4


def test_a_hanging_worker_is_killed_and_its_cell_given_to_another(store: Store) -> None:
    run = Run(store, suite(2), lambda worker, task, attempt: "hang" if worker == "worker-1" else "ok")
    summary = run.driver.run(run.pool, workers=1)
    assert summary.complete
    assert summary.workers_replaced == 1
    assert run.messages(EventKind.WORKER_LOST) == ["worker-1 (here) took longer than 10 s for one cell and was killed"]
    assert [event.record.status for event in run.events if event.kind is EventKind.RETRYING and event.record] == [
        Status.TIMEOUT
    ]


@pytest.mark.parametrize("ending", ["commit and crash", "commit and hang"])
def test_what_was_committed_is_not_made_again(store: Store, ending: str) -> None:
    run = Run(store, suite(3), lambda worker, task, attempt: ending)
    summary = run.driver.run(run.pool, workers=2)
    assert summary.complete
    assert summary.attempts == 6
    assert store.failures(task.cell_id for task in suite(3)) == {}


def test_a_late_commit_of_a_killed_worker_is_adopted_before_the_retry(store: Store) -> None:
    (task,) = [make_task("ok")]
    run = Run(store, [task], lambda worker, task, attempt: "hang")

    def commit_late() -> None:
        if len(run.pool.started) == 2:
            store.write_cell(make_record(task))
            store.write_score(make_score(task))

    run.pool.on_wait = commit_late
    summary = run.driver.run(run.pool, workers=1)
    assert summary.complete
    assert len(run.pool.executions) == 1


def test_a_worker_failing_three_times_in_a_row_is_replaced(store: Store) -> None:
    run = Run(store, suite(4), lambda worker, task, attempt: "raise" if worker == "worker-2" else "ok")
    summary = run.driver.run(run.pool, workers=2)
    assert summary.complete
    assert run.messages(EventKind.WORKER_LOST) == ["worker-2 (here) failed 3 cells in a row and is replaced"]
    assert "worker-3" in run.pool.started


def test_a_device_that_fails_what_others_make_is_taken_out_and_named(store: Store) -> None:
    tasks = [make_task("ok", prompt_index=index) for index in range(40)]
    failed: list[str] = []

    def behave(worker: str, task: CellTask, attempt: int) -> str:
        if run.pool.devices[worker] != "gpu 1":
            return "ok"
        failed.append(task.cell_id)
        return "raise"

    run = Run(store, tasks, behave)
    summary = run.driver.run(run.pool, workers=4)
    assert summary.complete
    # Three by the first worker on it, three by the second; then it is held and not filled again.
    assert len(failed) == 6
    first, second = run.messages(EventKind.WORKER_LOST)
    assert first == "worker-2 (here) failed 3 cells in a row and is replaced"
    assert second.startswith("worker-5 (here) failed 3 cells in a row, as the worker before it did")
    assert len(run.pool.started) == 5
    assert run.pool.devices == {}


def test_a_row_that_nobody_can_make_takes_no_device_out(store: Store) -> None:
    broken = [make_task("ok", row="broken", prompt_index=index) for index in range(30)]
    good = [make_task("ok", prompt_index=index, cost=0.1) for index in range(10)]
    run = Run(store, broken + good, lambda worker, task, attempt: "raise" if task.row == "broken" else "ok")
    summary = run.driver.run(run.pool, workers=4)
    assert (summary.made, summary.failed) == (10, 30)
    assert summary.workers_replaced <= 8


def test_a_full_store_ends_the_run_and_charges_nobody(store: Store) -> None:
    room = [6]

    def behave(worker: str, task: CellTask, attempt: int) -> str:
        room[0] -= 1
        return "ok" if room[0] >= 0 else "full"

    run = Run(store, suite(10), behave)
    with pytest.raises(StoreFullError, match=r"no space left; 14 of 20 cells are left, nothing is lost"):
        run.driver.run(run.pool, workers=2)
    assert "the store is full (no space left)" in run.messages(EventKind.INTERRUPTED)[0]
    assert store.failure_stamps() == {}
    assert len(run.pool.executions) <= 8
    again = Run(store, suite(10), lambda worker, task, attempt: "ok")
    assert again.driver.run(again.pool, workers=2).made == 14


def test_without_room_for_a_failure_what_is_in_flight_is_still_finished(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(store, suite(4), lambda worker, task, attempt: "fail" if task.prompt_index == 0 else "ok")

    def refuse(record: object) -> None:
        raise StoreFullError("the disk is full")

    monkeypatch.setattr(store, "write_failure", refuse)
    with pytest.raises(StoreFullError, match="the disk is full"):
        run.driver.run(run.pool, workers=2)
    assert len(store.cell_ids()) == len(run.pool.executions) - 1 == 1


def test_a_worker_lost_while_it_starts_is_started_again(store: Store) -> None:
    run = Run(store, suite(2), lambda worker, task, attempt: "ok")
    real = run.pool.start

    def start(worker: str) -> None:
        real(worker)
        if len(run.pool.started) <= 8:
            run.pool.kill(worker)
            run.pool._later(1.0, Lost(worker, "the node died", charge=False))

    run.pool.start = start  # type: ignore[method-assign]
    assert run.driver.run(run.pool, workers=2).complete
    assert len(run.pool.started) == 10


def test_a_place_where_no_worker_starts_is_given_up(store: Store) -> None:
    run = Run(store, suite(8), lambda worker, task, attempt: "ok", broken=lambda worker: worker != "worker-1")
    assert run.driver.run(run.pool, workers=2).complete
    assert len(run.pool.started) < 8


def test_no_worker_at_all_is_an_error(store: Store) -> None:
    run = Run(store, suite(2), lambda worker, task, attempt: "ok", broken=lambda worker: True)
    with pytest.raises(FleetError, match="no such model"):
        run.driver.run(run.pool, workers=2)


def test_a_store_that_is_not_shared_is_noticed_at_the_first_cell(store: Store) -> None:
    run = Run(store, suite(2), lambda worker, task, attempt: "ok without sidecar")
    with pytest.raises(StoreError, match="that the driver and all workers share"):
        run.driver.run(run.pool, workers=1)


def test_a_sidecar_missing_later_is_a_failed_attempt(store: Store) -> None:
    (last,) = [make_task("ok", prompt_index=9, cost=0.1)]
    tasks = [make_task("ok"), last]
    run = Run(store, tasks, lambda worker, task, attempt: "ok without sidecar" if task == last else "ok", attempts=1)
    assert run.driver.run(run.pool, workers=1).failed == 1
    assert "no sidecar" in (store.failures([last.cell_id])[last.cell_id].reason or "")


def test_a_stop_finishes_what_is_in_flight(store: Store) -> None:
    run = Run(store, suite(10), lambda worker, task, attempt: "ok")
    run.pool.on_wait = lambda: run.driver.request_stop() if len(run.pool.executions) >= 6 else None
    summary = run.driver.run(run.pool, workers=2)
    assert summary.interrupted
    assert summary.made == len(run.pool.executions) == 6
    assert "interrupt again" in run.messages(EventKind.INTERRUPTED)[0]
    again = Run(store, suite(10), lambda worker, task, attempt: "ok")
    assert again.driver.run(again.pool, workers=2).made == 14


def test_a_second_interruption_drops_what_is_in_flight(store: Store) -> None:
    run = Run(store, suite(4), lambda worker, task, attempt: "hang", timeout_s=None)

    def interrupt() -> None:
        if run.pool.executions:
            raise KeyboardInterrupt

    run.pool.on_wait = interrupt
    summary = run.driver.run(run.pool, workers=2)
    assert summary.interrupted
    assert not summary.complete
    assert store.failures(task.cell_id for task in suite(4)) == {}


def test_a_listener_that_fails_does_not_end_the_run(store: Store) -> None:
    run = Run(store, suite(2), lambda worker, task, attempt: "ok")
    run.driver._listener = lambda event: {}["no such key"]
    assert run.driver.run(run.pool, workers=1).complete


def test_the_plan_is_announced_row_by_row(store: Store) -> None:
    tasks = suite(3)
    store.write_cell(make_record(tasks[0]))
    run = Run(store, tasks, lambda worker, task, attempt: "ok")
    run.driver.announce(2)
    (event,) = run.events
    assert [(row.row, row.cells, row.done, row.cost_left) for row in event.totals] == [
        ("original", 3, 1, 2.0),
        ("fast", 3, 0, 3.0),
    ]
    assert event.workers == 2


ENDINGS = ("fail", "invalid", "raise", "crash", "node gone", "hang", "commit and crash", "commit and hang")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 5), fault=st.floats(0, 0.6))
def test_under_any_faults_every_cell_ends_and_none_is_made_after_it_was_done(
    seed: int, workers: int, fault: float
) -> None:
    dice = random.Random(seed)
    tasks = suite(5)
    committed: list[str] = []

    def behave(worker: str, task: CellTask, attempt: int) -> str:
        assert task.cell_id not in committed
        ending = dice.choice(ENDINGS) if dice.random() < fault else "ok"
        if ending.startswith(("ok", "commit")):
            committed.append(task.cell_id)
        return ending

    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        run = Run(store, tasks, behave, broken=lambda worker: worker.endswith("3") and dice.random() < 0.3)
        summary = run.driver.run(run.pool, workers)
        ids = {task.cell_id for task in tasks}
        assert summary.made + summary.failed == len(ids)
        assert store.cell_ids() == set(committed)
        assert len(committed) == summary.made
        assert store.failures(ids).keys() == ids - store.cell_ids()
        ended = Counter(event.cell_id for event in run.events if event.kind in {EventKind.SUCCEEDED, EventKind.FAILED})
        assert ended == dict.fromkeys(ids, 1)
        assert summary.attempts == len(run.pool.executions)


def test_the_last_cell_gets_the_worker_that_may_make_it(store: Store) -> None:
    """It dies when nothing else is left; a plain worker that idles must not be taken for one in its place."""
    special = Resources(labels=frozenset({"accelerator_type:H200"}))
    plain = make_task("ok", prompt_index=0)
    last = replace(make_task("ok", prompt_index=1), model=replace(plain.model, resources=special))

    class MixedPool(PoolInMemory):
        def _later(self, seconds: float, report: Report) -> None:
            if isinstance(report, Ready):
                # The plain one comes first and keeps its place; whoever takes the other's is special.
                report = replace(report, offers=Resources() if report.worker == "worker-1" else special)
            super()._later(seconds, report)

    run = Run(store, [plain, last], lambda worker, task, attempt: "crash" if worker == "worker-2" else "ok")
    run.pool = MixedPool(store, run.pool._behave)
    summary = run.driver.run(run.pool, workers=2)
    assert summary.complete
    assert run.pool.executions == [("worker-1", plain.cell_id), ("worker-2", last.cell_id), ("worker-3", last.cell_id)]
