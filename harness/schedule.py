"""Which cell comes next: a state machine without Ray, clock or files, so that every fault can be played in a test.

Each cell is in exactly one state; every change of state is in this file:

    waiting ──► ready ──► in flight ──► done
    (for its      ▲            ├──────► failed  (attempts used up, or not worth another)
     reference)   └── delayed ◄┘        (backing off before the next attempt)

Times are seconds of any clock that only goes forward; the caller passes them in.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from harness.durations import Durations, Measured
from harness.ready_cells import ReadyCells
from harness.resources import Resources
from harness.task import CellTask, ModelSpec


class CellState(StrEnum):
    """Where a cell stands."""

    WAITING = "waiting"
    READY = "ready"
    DELAYED = "delayed"
    IN_FLIGHT = "in flight"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a cell is tried again, and when no more."""

    max_attempts: int = 3
    """Attempts that ended through the cell itself: failures, timeouts, crashes of its worker."""
    max_losses: int = 10
    """Attempts lost through no fault of the cell (a node went away), so that a run always ends."""
    backoff_s: float = 5.0
    """Wait before the second attempt; doubled before each further one."""
    max_backoff_s: float = 300.0

    def delay_s(self, attempts: int) -> float:
        """Wait after the `attempts`-th attempt."""
        return min(self.backoff_s * 2.0 ** (attempts - 1), self.max_backoff_s)


@dataclass(frozen=True, slots=True)
class ScheduleCounts:
    """How many cells are in each state; together they are all cells."""

    waiting: int
    ready: int
    delayed: int
    in_flight: int
    done: int
    failed: int


@dataclass(slots=True)
class _Cell:
    """What changes about one cell."""

    task: CellTask
    place: int
    """Of its prompt and sample among those of the run."""
    state: CellState = CellState.WAITING
    worker: str | None = None
    charged: int = 0
    lost: int = 0


class Scheduler:
    """Hands out cells so that no cell is in flight twice and none is lost.

    Order: see `harness.ready_cells`. In short, the worker's resident model first, prompts in waves, originals before
    others, then the worker's own row, then the longest; how long a cell takes is what cells of its row took. A cell
    waits for its reference; if that fails for good or is not part of the run, the cell runs without fidelity.
    """

    def __init__(
        self,
        tasks: Iterable[CellTask],
        done: Set[str],
        policy: RetryPolicy | None = None,
        measured: Mapping[str, Measured] | None = None,
    ) -> None:
        """Take all cells of a run; those in `done` count as done. Repeated ids are one cell.

        `measured` is what cells took before, by row key.
        """
        self._policy = policy or RetryPolicy()
        self._cells: dict[str, _Cell] = {}
        self._durations = Durations(measured or {})
        self._ready = ReadyCells(self._durations)
        self._dependents: dict[str, list[str]] = defaultdict(list)
        self._uses: Counter[str] = Counter()
        self._delayed: list[tuple[float, str]] = []
        self._flights: dict[str, str] = {}
        self._counts: Counter[CellState] = Counter()
        places: dict[tuple[int, int], int] = {}
        for task in tasks:
            place = places.setdefault((task.prompt_index, task.sample_index), len(places))
            if task.cell_id not in self._cells:
                self._cells[task.cell_id] = _Cell(task, place)
        for cell_id, cell in self._cells.items():
            self._counts[cell.state] += 1
            if cell_id in done:
                self._move(cell, CellState.DONE)
        left = [cell for cell in self._cells.values() if cell.state is not CellState.DONE]
        self._uses.update(cell.task.reference_cell_id for cell in left if cell.task.reference_cell_id is not None)
        for cell in left:
            task = cell.task
            self._durations.add_row(task.row_key, task.model, task.expected_cost)
            self._ready.expect((task.model, task.row_key), cell.place, task.cell_id in self._uses)
        for cell in left:
            reference = self._cells.get(cell.task.reference_cell_id or "")
            if reference is None or reference is cell or reference.state is CellState.DONE:
                self._make_ready(cell)
            else:
                self._dependents[reference.task.cell_id].append(cell.task.cell_id)

    @property
    def finished(self) -> bool:
        """Whether every cell is done or has failed for good."""
        return self._counts[CellState.DONE] + self._counts[CellState.FAILED] == len(self._cells)

    @property
    def counts(self) -> ScheduleCounts:
        """Cells by state, now."""
        return ScheduleCounts(
            waiting=self._counts[CellState.WAITING],
            ready=self._counts[CellState.READY],
            delayed=self._counts[CellState.DELAYED],
            in_flight=self._counts[CellState.IN_FLIGHT],
            done=self._counts[CellState.DONE],
            failed=self._counts[CellState.FAILED],
        )

    def state(self, cell_id: str) -> CellState:
        """Where one cell stands. KeyError for a cell of no task."""
        return self._cells[cell_id].state

    def attempt(self, cell_id: str) -> int:
        """Number of the cell's present or last attempt, from 1; 0 before the first."""
        cell = self._cells[cell_id]
        return cell.charged + cell.lost + (cell.state is CellState.IN_FLIGHT)

    def next_due(self) -> float | None:
        """When the next delayed cell becomes ready; None if none is delayed."""
        return self._delayed[0][0] if self._delayed else None

    def joined(self, worker_id: str, offers: Resources) -> None:
        """A worker has been given these resources. One that is never said to have joined can make every cell."""
        self._ready.join(worker_id, offers)

    def next_for(self, worker_id: str, loaded: ModelSpec | None, now: float) -> CellTask | None:
        """The cell this idle worker should make now, given the model it has loaded; None if it must wait."""
        if worker_id in self._flights:
            raise ValueError(f"worker {worker_id!r} asks for a cell while it makes {self._flights[worker_id]}")
        while self._delayed and self._delayed[0][0] <= now:
            self._make_ready(self._cells[heapq.heappop(self._delayed)[1]])
        cell_id = self._ready.take(worker_id, loaded)
        if cell_id is None:
            return None
        cell = self._cells[cell_id]
        cell.worker = worker_id
        self._flights[worker_id] = cell_id
        self._move(cell, CellState.IN_FLIGHT)
        return cell.task

    def succeeded(self, cell_id: str, seconds: float | None = None) -> str | None:
        """The cell in flight is done, and took so long; None where that is not known.

        Returns its reference where this was the last cell of the run that is compared with that.
        """
        cell = self._land(cell_id)
        cell.charged += 1
        if seconds is not None:
            self._durations.measured(cell.task.row_key, seconds)
        self._close(cell, CellState.DONE)
        reference = cell.task.reference_cell_id
        if reference is None:
            return None
        self._uses[reference] -= 1
        return None if self._uses[reference] else reference

    def failed(self, cell_id: str, retry: bool, now: float) -> bool:
        """The attempt in flight failed through the cell itself; True if it will be tried again."""
        cell = self._land(cell_id)
        cell.charged += 1
        return self._again(cell, cell.charged if retry else self._policy.max_attempts, now)

    def worker_lost(self, worker_id: str, now: float, charge: bool = True) -> bool:
        """A worker is gone, with the cell in flight on it if there is one; True if that will be tried again.

        `charge` is False where the cell cannot be to blame, for example when a whole node went away.
        """
        self._ready.leave(worker_id)
        cell_id = self._flights.get(worker_id)
        if cell_id is None:
            return False
        cell = self._land(cell_id)
        if charge:
            cell.charged += 1
        else:
            cell.lost += 1
        used_up = cell.lost >= self._policy.max_losses
        return self._again(cell, self._policy.max_attempts if used_up else cell.charged, now)

    def _again(self, cell: _Cell, charged: int, now: float) -> bool:
        if charged >= self._policy.max_attempts:
            self._close(cell, CellState.FAILED)
            return False
        due = now + self._policy.delay_s(cell.charged + cell.lost)
        heapq.heappush(self._delayed, (due, cell.task.cell_id))
        self._ready.again((cell.task.model, cell.task.row_key))
        self._move(cell, CellState.DELAYED)
        return True

    def _land(self, cell_id: str) -> _Cell:
        cell = self._cells[cell_id]
        if cell.state is not CellState.IN_FLIGHT or cell.worker is None:
            raise ValueError(f"cell {cell_id} is {cell.state.value}, not in flight; its outcome was reported before")
        del self._flights[cell.worker]
        cell.worker = None
        return cell

    def _close(self, cell: _Cell, state: CellState) -> None:
        self._move(cell, state)
        self._ready.close(cell.place)
        for dependent in self._dependents.pop(cell.task.cell_id, ()):
            self._make_ready(self._cells[dependent])

    def _make_ready(self, cell: _Cell) -> None:
        self._ready.add((cell.task.model, cell.task.row_key), cell.place, cell.task.cell_id)
        self._move(cell, CellState.READY)

    def _move(self, cell: _Cell, state: CellState) -> None:
        self._counts[cell.state] -= 1
        self._counts[state] += 1
        cell.state = state
