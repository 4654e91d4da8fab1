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
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import Enum

from harness.task import CellTask, ModelSpec


class CellState(Enum):
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
    order: tuple[bool, float, int, int]
    state: CellState = CellState.WAITING
    worker: str | None = None
    charged: int = 0
    lost: int = 0


class _Model:
    """The cells of one model: what is ready, best first, and how much work is left and shared by whom."""

    def __init__(self) -> None:
        self.ready: list[tuple[tuple[bool, float, int, int], str]] = []
        self.cost_left = 0.0
        self.residents: set[str] = set()


class Scheduler:
    """Hands out cells so that no cell is in flight twice and none is lost.

    Order: the worker's resident model first, else the model with the most work per worker on it. Within a model,
    originals before others, then the most expensive first, then row by row (a row is warmed up once per worker). A cell
    waits for its reference; if that fails for good or is not part of the run, the cell runs without fidelity.
    """

    def __init__(self, tasks: Iterable[CellTask], done: Set[str], policy: RetryPolicy | None = None) -> None:
        """Take all cells of a run; those in `done` count as done. Repeated ids are one cell."""
        self._policy = policy or RetryPolicy()
        self._cells: dict[str, _Cell] = {}
        self._models: dict[ModelSpec, _Model] = defaultdict(_Model)
        self._dependents: dict[str, list[str]] = defaultdict(list)
        self._delayed: list[tuple[float, str]] = []
        self._flights: dict[str, str] = {}
        self._homes: dict[str, ModelSpec] = {}
        self._counts: Counter[CellState] = Counter()
        for position, task in enumerate(tasks):
            if task.cell_id not in self._cells:
                order = (task.reference_cell_id is not None, -task.expected_cost, task.row_index, position)
                self._cells[task.cell_id] = _Cell(task, order)
        for cell_id, cell in self._cells.items():
            self._counts[cell.state] += 1
            if cell_id in done:
                self._move(cell, CellState.DONE)
        for cell_id, cell in self._cells.items():
            if cell.state is CellState.DONE:
                continue
            self._models[cell.task.model].cost_left += cell.task.expected_cost
            reference = self._cells.get(cell.task.reference_cell_id or "")
            if reference is None or reference is cell or reference.state is CellState.DONE:
                self._make_ready(cell)
            else:
                self._dependents[reference.task.cell_id].append(cell_id)

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

    def next_for(self, worker_id: str, loaded: ModelSpec | None, now: float) -> CellTask | None:
        """The cell this idle worker should make now, given the model it has loaded; None if it must wait."""
        if worker_id in self._flights:
            raise ValueError(f"worker {worker_id!r} asks for a cell while it makes {self._flights[worker_id]}")
        while self._delayed and self._delayed[0][0] <= now:
            self._make_ready(self._cells[heapq.heappop(self._delayed)[1]])
        self._settle(worker_id, loaded)
        spec = loaded
        if spec is None or not (self._models[spec].ready if spec in self._models else ()):
            # An idle worker costs more than a load: it changes models as soon as its own has nothing ready.
            candidates = [spec for spec, model in self._models.items() if model.ready]
            spec = max(candidates, key=self._work_per_worker, default=None)
        if spec is None:
            return None
        self._settle(worker_id, spec)
        cell = self._cells[heapq.heappop(self._models[spec].ready)[1]]
        cell.worker = worker_id
        self._flights[worker_id] = cell.task.cell_id
        self._move(cell, CellState.IN_FLIGHT)
        return cell.task

    def succeeded(self, cell_id: str) -> None:
        """The cell in flight is done."""
        cell = self._land(cell_id)
        cell.charged += 1
        self._close(cell, CellState.DONE)

    def failed(self, cell_id: str, retry: bool, now: float) -> bool:
        """The attempt in flight failed through the cell itself; True if it will be tried again."""
        cell = self._land(cell_id)
        cell.charged += 1
        return self._again(cell, cell.charged if retry else self._policy.max_attempts, now)

    def worker_lost(self, worker_id: str, now: float, charge: bool = True) -> bool:
        """A worker is gone, with the cell in flight on it if there is one; True if that will be tried again.

        `charge` is False where the cell cannot be to blame, for example when a whole node went away.
        """
        home = self._homes.pop(worker_id, None)
        if home is not None:
            self._models[home].residents.discard(worker_id)
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
        self._models[cell.task.model].cost_left -= cell.task.expected_cost
        for dependent in self._dependents.pop(cell.task.cell_id, ()):
            self._make_ready(self._cells[dependent])

    def _make_ready(self, cell: _Cell) -> None:
        heapq.heappush(self._models[cell.task.model].ready, (cell.order, cell.task.cell_id))
        self._move(cell, CellState.READY)

    def _move(self, cell: _Cell, state: CellState) -> None:
        self._counts[cell.state] -= 1
        self._counts[state] += 1
        cell.state = state

    def _settle(self, worker_id: str, spec: ModelSpec | None) -> None:
        """Note which model a worker holds."""
        home = self._homes.get(worker_id)
        if spec == home:
            return
        if home is not None:
            self._models[home].residents.discard(worker_id)
            del self._homes[worker_id]
        if spec is not None and spec in self._models:
            self._models[spec].residents.add(worker_id)
            self._homes[worker_id] = spec

    def _work_per_worker(self, spec: ModelSpec) -> float:
        model = self._models[spec]
        return model.cost_left / (len(model.residents) + 1)
