"""How long the rest of a run takes, from what its finished cells took. Pure arithmetic over events.

A row's own mean once it has one, before that its expected cost at the run's mean speed; shared by all workers. The
rows' times add up to the run's.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.events import EventKind, FleetEvent, RowTotals


@dataclass(slots=True)
class _Row:
    totals: RowTotals
    done: int
    failed: int = 0
    cost_left: float = 0.0
    seconds: float = 0.0
    made: int = 0


class TimeLeft:
    """Counts of cells, and the seconds that those to come will take."""

    def __init__(self, rows: tuple[RowTotals, ...], workers: int) -> None:
        """Start from what a PLANNED event says."""
        self._rows = {totals.row: _Row(totals, totals.done, cost_left=totals.cost_left) for totals in rows}
        self._workers = max(1, workers)
        self._cost = self._seconds = 0.0

    def progress(self, name: str) -> tuple[int, int, int]:
        """Done, given up and all cells of a row."""
        row = self._rows[name]
        return row.done, row.failed, row.totals.cells

    def add(self, event: FleetEvent) -> None:
        """Take an event about a cell; others change nothing."""
        row = self._rows.get(event.row or "")
        if row is None or event.kind not in {EventKind.SUCCEEDED, EventKind.FAILED}:
            return
        row.cost_left = max(0.0, row.cost_left - event.cost)
        if event.kind is EventKind.FAILED:
            row.failed += 1
            return
        row.done += 1
        if event.record is not None:
            seconds = event.record.finished_at - event.record.started_at
            row.seconds += seconds
            row.made += 1
            self._seconds += seconds
            self._cost += event.cost

    def seconds(self, name: str | None = None) -> float | None:
        """For a row, or for the whole run; None before the first cell is made."""
        if name is None:
            times = [self.seconds(row) for row in self._rows]
            known = [seconds for seconds in times if seconds is not None]
            return sum(known) if len(known) == len(times) else None
        row = self._rows[name]
        left = row.totals.cells - row.done - row.failed
        if left == 0:
            return 0.0
        if row.made:
            return left * row.seconds / row.made / self._workers
        if self._cost:
            return row.cost_left * self._seconds / self._cost / self._workers
        return None
