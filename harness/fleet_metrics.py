"""A run in Ray's own metrics, beside the nodes' load on its dashboard and in Prometheus.

Ray 2.60 prefixes the names with `ray_` and shows new values within half a minute; nothing is shown where the cluster's
nodes run no dashboard agent.
"""

from __future__ import annotations

from typing import Any

from harness.events import EventKind, FleetEvent


class FleetMetrics:
    """A listener for the fleet's events.

    harness_cells_made, harness_attempts_failed (by status, retried or not) count up; harness_cells_queued,
    harness_cells_in_flight and harness_workers_alive say what is now. Ray's own tags tell one run from another.
    """

    def __init__(self, metrics: Any) -> None:
        """Use the module `ray.util.metrics` of an initialised Ray."""
        self._made = metrics.Counter("harness_cells_made", "Cells made and scored.")
        self._failures = metrics.Counter("harness_attempts_failed", "Attempts that failed.", ("status",))
        self._queued = metrics.Gauge("harness_cells_queued", "Cells neither done, given up nor in flight.")
        self._in_flight = metrics.Gauge("harness_cells_in_flight", "Cells on a worker now.")
        self._alive = metrics.Gauge("harness_workers_alive", "Workers ready for cells or at one.")
        self._left = 0
        self._flights: set[str] = set()
        self._workers: set[str] = set()

    def __call__(self, event: FleetEvent) -> None:
        """Take one event."""
        match event.kind:
            case EventKind.PLANNED:
                self._left = sum(totals.cells - totals.done for totals in event.totals)
            case EventKind.WORKER_STARTED:
                self._workers.add(event.worker or "")
            case EventKind.WORKER_LOST:
                self._workers.discard(event.worker or "")
            case EventKind.DISPATCHED:
                self._flights.add(event.cell_id or "")
            case EventKind.SUCCEEDED:
                self._made.inc()
            case EventKind.ENDED:
                self._workers.clear()
        if event.kind in {EventKind.SUCCEEDED, EventKind.FAILED}:
            self._left -= 1
        if event.kind in {EventKind.SUCCEEDED, EventKind.RETRYING, EventKind.FAILED}:
            self._flights.discard(event.cell_id or "")
            if event.kind is not EventKind.SUCCEEDED and event.record is not None:
                self._failures.inc(tags={"status": event.record.status.value})
        self._queued.set(self._left - len(self._flights))
        self._in_flight.set(len(self._flights))
        self._alive.set(len(self._workers))
