"""The loop that turns a schedule into finished cells, whatever the workers are made of.

It owns what Ray could also do but would hide: attempts, timeouts, replacement of workers. It knows workers only as a
`Pool`; `harness.fleet` gives it Ray actors, the tests give it a pool in memory with a fake clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from harness.durations import Measured
from harness.errors import HarnessError, StoreError, StoreFullError
from harness.events import EventKind, FleetEvent, FleetSummary, RowTotals
from harness.pool import Broken, Full, Lost, Pool, Raised, Ready, Report, Returned
from harness.records import CellRecord, Status
from harness.schedule import CellState, RetryPolicy, Scheduler
from harness.store import Store, lossless_path
from harness.suspicion import FAILURES_IN_A_ROW, Suspicion, Verdict
from harness.task import CellTask, ModelSpec

LOGGER = logging.getLogger(__name__)

BROKEN_STARTS = 3
"""So many workers in a row that could not be built: one place fewer, or, with no other worker alive, the end."""

_TICK_S = 1.0
"""Longest sleep: how soon an interruption is noticed."""

_HUNGRY_S = 60.0
"""After this long without any worker, people are told."""

_WORTH_RETRYING = {Status.FAILED, Status.OOM, Status.TIMEOUT}
"""The rest (NaN frames, a pair that does not go together) would come out the same again."""


class FleetError(HarnessError):
    """The fleet as a whole cannot work."""


@dataclass(frozen=True, slots=True)
class _Flight:
    task: CellTask
    attempt: int
    started_at: float
    deadline: float


class Driver:
    """One run over one pool. Use it once."""

    def __init__(
        self,
        tasks: Iterable[CellTask],
        done: Set[str],
        store: Store,
        *,
        on_event: Callable[[FleetEvent], None],
        policy: RetryPolicy,
        cell_timeout_s: float | None,
        clock: Callable[[], float] = time.monotonic,
        measured: Mapping[str, Measured] | None = None,
    ) -> None:
        """Plan the run; `clock` gives forward-going seconds, for backoff and timeouts.

        `measured` is what cells took before, by row key.
        """
        self._tasks = {task.cell_id: task for task in tasks}
        self._scheduler = Scheduler(self._tasks.values(), done, policy, measured)
        self._already_done = self._scheduler.counts.done
        self._mixed = len({task.model.resources for task in self._tasks.values()}) > 1
        self._store = store
        self._listener = on_event
        self._timeout_s = float("inf") if cell_timeout_s is None else cell_timeout_s
        self._clock = clock
        self._places: dict[str, str] = {}
        self._starting: set[str] = set()
        self._idle: set[str] = set()
        self._flights: dict[str, _Flight] = {}
        self._loaded: dict[str, ModelSpec] = {}
        self._devices: dict[str, str] = {}
        self._retired: set[str] = set()
        self._suspicion = Suspicion()
        self._full: str | None = None
        self._born = self._attempts = self._replaced = self._broken = 0
        self._stopping = self._announced = self._hungry = False

    @property
    def cells_left(self) -> int:
        """Cells neither done nor given up."""
        counts = self._scheduler.counts
        return len(self._tasks) - counts.done - counts.failed

    def of_use(self, workers: int) -> int:
        """How many of these workers there are cells for.

        All, where models need different resources: their number does not say which of them can make what is left.
        """
        return workers if self._mixed else min(workers, self.cells_left)

    def work_left(self) -> dict[ModelSpec, float]:
        """Expected cost of the cells that are not done, by model."""
        left: dict[ModelSpec, float] = {}
        for task in self._tasks.values():
            if self._scheduler.state(task.cell_id) is not CellState.DONE:
                left[task.model] = left.get(task.model, 0.0) + task.expected_cost
        return left

    def request_stop(self) -> None:
        """Give out no more cells; the run ends when those in flight have. Safe in a signal handler."""
        self._stopping = True

    def announce(self, workers: int) -> None:
        """Tell the listener what there is to do."""
        rows: dict[str, list[CellTask]] = {}
        for task in self._tasks.values():
            rows.setdefault(task.row, []).append(task)
        totals = []
        for row, tasks in rows.items():
            left = [task for task in tasks if self._scheduler.state(task.cell_id) is not CellState.DONE]
            cost = sum(task.expected_cost for task in left)
            totals.append(RowTotals(row=row, cells=len(tasks), done=len(tasks) - len(left), cost_left=cost))
        self._emit(FleetEvent(EventKind.PLANNED, time.time(), totals=tuple(totals), workers=workers))

    def run(self, pool: Pool, workers: int) -> FleetSummary:
        """Make all cells. FleetError if no worker can be built, StoreError if the store cannot be written or shared.

        A full store ends it as a stop does, with a StoreFullError once nothing is in flight any more.

        KeyboardInterrupt ends it at once, as if interrupted: cells in flight are dropped, finished ones are kept.
        """
        began = self._clock()
        try:
            while not self._scheduler.finished:
                if self._stopping:
                    self._announce_stop()
                    if not self._flights:
                        break
                else:
                    workers = self._staff(pool, workers)
                    self._dispatch(pool)
                    self._watch(began)
                for report in pool.wait(self._patience()):
                    self._handle(report, pool)
                self._expire(pool)
        except KeyboardInterrupt:
            self._stopping = True
        finally:
            for worker in [*self._starting, *self._places, *self._retired]:
                pool.kill(worker)
        if self._full is not None and not self._scheduler.finished:
            left = f"{self.cells_left} of {len(self._tasks)} cells are left"
            raise StoreFullError(f"{self._full}; {left}, nothing is lost: make room and run again")
        return self.summary(self._clock() - began)

    def summary(self, elapsed_s: float) -> FleetSummary:
        """The state of things, announced as the end."""
        counts = self._scheduler.counts
        self._emit(FleetEvent(EventKind.ENDED, time.time()))
        return FleetSummary(
            cells=len(self._tasks),
            already_done=self._already_done,
            made=counts.done - self._already_done,
            failed=counts.failed,
            attempts=self._attempts,
            workers_replaced=self._replaced,
            interrupted=self._stopping and not self._scheduler.finished,
            elapsed_s=elapsed_s,
        )

    def _staff(self, pool: Pool, workers: int) -> int:
        """Start workers up to the number wanted; returns that number, less where none can be built."""
        alive = len(self._starting) + len(self._places)
        if self._broken >= BROKEN_STARTS and alive:
            self._broken, workers = 0, alive + len(self._retired)
            LOGGER.warning("workers cannot be started; going on with %d", alive)
        for _ in range(self.of_use(workers - len(self._retired)) - alive):
            self._born += 1
            worker = f"worker-{self._born}"
            self._starting.add(worker)
            pool.start(worker)
        return workers

    def _dispatch(self, pool: Pool) -> None:
        for worker in sorted(self._idle):
            while (task := self._scheduler.next_for(worker, self._loaded.get(worker), self._clock())) is not None:
                attempt = self._scheduler.attempt(task.cell_id)
                # A worker killed or cut off during an earlier attempt may have finished it after all.
                if attempt > 1 and self._adopt(task, worker):
                    continue
                self._idle.discard(worker)
                self._loaded[worker] = task.model
                self._attempts += 1
                self._flights[worker] = _Flight(task, attempt, time.time(), self._clock() + self._timeout_s)
                pool.submit(worker, task, attempt)
                self._emit_cell(EventKind.DISPATCHED, task, worker)
                break

    def _watch(self, began: float) -> None:
        """Notice what would otherwise be silence without end."""
        if not self._flights and not self._starting and self._idle and self._scheduler.next_due() is None:
            if not self._scheduler.finished:
                raise FleetError(
                    f"{self.cells_left} cells wait for references that wait for them, or for workers with resources "
                    "that none has; mend the plan, or run again where there are such machines"
                )
        elif not self._places and not self._hungry and self._clock() - began > _HUNGRY_S:
            self._hungry = True
            LOGGER.warning("no worker has started within %g s; the cluster may have no room for one", _HUNGRY_S)

    def _patience(self) -> float:
        due = self._scheduler.next_due() if self._idle and not self._stopping else None
        moments = [flight.deadline for flight in self._flights.values()] + ([] if due is None else [due])
        return min(_TICK_S, max(0.0, min(moments, default=float("inf")) - self._clock()))

    def _handle(self, report: Report, pool: Pool) -> None:
        match report:
            case Ready(worker, place, device, offers):
                self._starting.discard(worker)
                if offers is not None:
                    self._scheduler.joined(worker, offers)
                self._places[worker] = place
                self._devices[worker] = device or place
                self._idle.add(worker)
                self._broken = 0
                self._emit(FleetEvent(EventKind.WORKER_STARTED, time.time(), worker=self._name(worker)))
            case Broken(worker, reason):
                self._starting.discard(worker)
                pool.kill(worker)
                self._broken += 1
                LOGGER.warning("%s could not be started: %s", worker, reason)
                if self._broken >= BROKEN_STARTS and not self._starting and not self._places:
                    raise FleetError(f"no worker can be started, tried {self._broken} times; the last said: {reason}")
            case Returned(worker, record):
                flight = self._flights.pop(worker)
                self._idle.add(worker)
                if record.status is Status.OK:
                    self._succeed(flight, worker, record, pool)
                else:
                    self._fail(flight, worker, record)
                    self._strike(worker, flight.task.row, pool)
            case Raised(worker, reason):
                flight = self._flights.pop(worker)
                self._idle.add(worker)
                self._fail(flight, worker, self._record(flight, worker, Status.FAILED, reason))
                self._strike(worker, flight.task.row, pool)
            case Full(worker, reason):
                self._flights.pop(worker)
                self._idle.add(worker)
                self._scheduler.worker_lost(worker, self._clock(), charge=False)
                self._stop_full(reason)
            case Lost(worker, reason, status, charge):
                self._lose(worker, f"{self._name(worker)} was lost: {reason}", status, charge, pool)

    def _succeed(self, flight: _Flight, worker: str, record: CellRecord, pool: Pool) -> None:
        if not self._store.has_cell(record.cell_id):
            reason = (
                f"{self._name(worker)} says cell {record.cell_id} is done, but store {self._store.root!r} has no "
                "sidecar of it; the store must be on storage that the driver and all workers share"
            )
            if self._scheduler.counts.done == self._already_done:
                raise StoreError(reason)
            self._fail(flight, worker, self._record(flight, worker, Status.FAILED, reason))
            self._strike(worker, flight.task.row, pool)
            return
        self._suspicion.succeeded(worker, self._devices[worker], flight.task.row)
        self._close(flight.task, record.finished_at - record.started_at)
        self._emit_cell(EventKind.SUCCEEDED, flight.task, worker, record)

    def _adopt(self, task: CellTask, worker: str) -> bool:
        """Take a cell in flight as done if its sidecar and all its scores are there."""
        record = self._store.cells([task.cell_id]).get(task.cell_id)
        if record is None:
            return False
        scores = self._store.scores([task.cell_id]).get(task.cell_id, {})
        if not {name for name in scores if scores[name].holds_for(record, task.reference_cell_id)} >= set(task.metrics):
            return False
        self._close(task, None)
        self._emit_cell(EventKind.SUCCEEDED, task, worker, record)
        return True

    def _close(self, task: CellTask, seconds: float | None) -> None:
        """Count a cell as done, and let go of its reference's lossless frames if it was the last compared with it."""
        reference = self._scheduler.succeeded(task.cell_id, seconds)
        if reference is not None and task.drop_reference:
            self._store.remove(lossless_path(reference))

    def _fail(self, flight: _Flight, worker: str, record: CellRecord) -> None:
        self._keep_failure(record)
        again = self._scheduler.failed(record.cell_id, record.status in _WORTH_RETRYING, self._clock())
        self._emit_failure(again, flight.task, worker, record)

    def _keep_failure(self, record: CellRecord) -> None:
        """Write down why a cell failed, if there is room for that."""
        try:
            self._store.write_failure(record)
        except StoreFullError as error:
            self._stop_full(str(error))

    def _stop_full(self, reason: str) -> None:
        """There is no room for results: finish what is in flight, since some of it may fit, and end."""
        self._full = self._full or reason
        self._stopping = True

    def _strike(self, worker: str, row: str, pool: Pool) -> None:
        """Hold a failed cell against its worker, and part with the worker where that was one too many."""
        verdict = self._suspicion.failed(worker, self._devices[worker], row)
        if verdict is Verdict.KEEP:
            return
        message = f"{self._name(worker)} failed {FAILURES_IN_A_ROW} cells in a row and is replaced"
        if verdict is Verdict.RETIRE and len(self._places) > 1:
            # Held, not ended: Ray would put the next worker on the device that just became free.
            message = (
                f"{self._name(worker)} failed {FAILURES_IN_A_ROW} cells in a row, as the worker before it did, while "
                "others make such cells: its place is taken out of this run"
            )
            self._retired.add(worker)
        self._lose(worker, message, Status.FAILED, False, pool)

    def _expire(self, pool: Pool) -> None:
        now = self._clock()
        for worker in [worker for worker, flight in self._flights.items() if flight.deadline <= now]:
            message = f"{self._name(worker)} took longer than {self._timeout_s:g} s for one cell and was killed"
            self._lose(worker, message, Status.TIMEOUT, True, pool)

    def _lose(self, worker: str, message: str, status: Status, charge: bool, pool: Pool) -> None:
        """Part with a worker, alive or dead, and with the cell in flight on it."""
        if worker not in self._retired:
            pool.kill(worker)
        self._replaced += 1
        self._starting.discard(worker)
        self._suspicion.gone(worker)
        LOGGER.warning("%s", message)
        self._emit(FleetEvent(EventKind.WORKER_LOST, time.time(), worker=self._name(worker), message=message))
        flight = self._flights.pop(worker, None)
        if flight is None or self._adopt(flight.task, worker):
            self._scheduler.worker_lost(worker, self._clock(), charge)
        else:
            record = self._record(flight, worker, status, message)
            self._keep_failure(record)
            again = self._scheduler.worker_lost(worker, self._clock(), charge)
            self._emit_failure(again, flight.task, worker, record)
        self._idle.discard(worker)
        for known in (self._places, self._devices, self._loaded):
            known.pop(worker, None)

    def _announce_stop(self) -> None:
        if not self._announced:
            self._announced = True
            why = "stopping" if self._full is None else f"stopping, the store is full ({self._full})"
            message = f"{why}: {len(self._flights)} cells in flight are finished first; interrupt again to drop them"
            self._emit(FleetEvent(EventKind.INTERRUPTED, time.time(), message=message))

    def _record(self, flight: _Flight, worker: str, status: Status, reason: str) -> CellRecord:
        """The attempt as only the driver saw it."""
        return flight.task.record(
            status, reason=reason, attempt=flight.attempt, started_at=flight.started_at, worker=self._name(worker)
        )

    def _name(self, worker: str) -> str:
        place = self._places.get(worker)
        return worker if place is None else f"{worker} ({place})"

    def _emit_cell(self, kind: EventKind, task: CellTask, worker: str, record: CellRecord | None = None) -> None:
        self._emit(
            FleetEvent(
                kind,
                time.time(),
                cell_id=task.cell_id,
                row=task.row,
                cost=task.expected_cost,
                record=record,
                worker=self._name(worker),
            )
        )

    def _emit_failure(self, again: bool, task: CellTask, worker: str, record: CellRecord) -> None:
        message = (
            f"{task.row}, prompt {task.prompt_index}, sample {task.sample_index}: {record.status}, {record.reason}"
        )
        self._emit(
            FleetEvent(
                EventKind.RETRYING if again else EventKind.FAILED,
                time.time(),
                cell_id=task.cell_id,
                row=task.row,
                cost=task.expected_cost,
                record=record,
                worker=self._name(worker),
                message=message,
            )
        )

    def _emit(self, event: FleetEvent) -> None:
        try:
            self._listener(event)
        except Exception:
            # Whoever only watches must not end a run of days.
            LOGGER.exception("a listener failed on %s", event.kind)
