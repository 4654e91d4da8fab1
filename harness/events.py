"""What the fleet says while it works: the progress bar and the ledger listen, the fleet knows neither."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.records import CellRecord


class EventKind(StrEnum):
    """What happened. The comments in `FleetEvent` say which fields each kind fills."""

    PLANNED = "planned"
    WORKER_STARTED = "worker_started"
    WORKER_LOST = "worker_lost"
    DISPATCHED = "dispatched"
    SUCCEEDED = "succeeded"
    RETRYING = "retrying"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class RowTotals:
    """How much of one row there is to do when a run begins."""

    row: str
    cells: int
    done: int
    cost_left: float
    """Sum of the expected costs of the cells still to make."""


@dataclass(frozen=True, slots=True)
class FleetEvent:
    """One event. `at` is Unix time in seconds; fields that do not apply are None or empty."""

    kind: EventKind
    at: float
    cell_id: str | None = None
    row: str | None = None
    """With every event about a cell."""
    cost: float = 0.0
    """Expected cost of that cell."""
    record: CellRecord | None = None
    """With SUCCEEDED, RETRYING and FAILED: the attempt as it ended."""
    worker: str | None = None
    message: str | None = None
    """One line for people, with WORKER_LOST, RETRYING, FAILED and INTERRUPTED."""
    totals: tuple[RowTotals, ...] = ()
    """With PLANNED."""
    workers: int = 0
    """With PLANNED: how many workers the run asks for."""


@dataclass(frozen=True, slots=True)
class FleetSummary:
    """How a run ended."""

    cells: int
    already_done: int
    made: int
    failed: int
    """Cells given up in this run; their last attempts are in the store's failures."""
    attempts: int
    workers_replaced: int
    interrupted: bool
    elapsed_s: float

    @property
    def complete(self) -> bool:
        """Whether every cell of the run is done."""
        return self.already_done + self.made == self.cells
