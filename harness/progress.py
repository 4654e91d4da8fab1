"""How a run is going, on standard error: a live bar per row on a terminal, now and then a line elsewhere.

The time left is what the seconds of finished cells say about those to come: a row's own mean once it has one, before
that its expected cost at the run's mean speed; shared by all workers. The rows' times add up to the run's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from harness.events import EventKind, FleetEvent, RowTotals

LINE_EVERY_S = 15.0
"""Pause between two lines where there is no terminal."""

_SHOWN_ROWS = 24
"""With more rows than this, those that are complete or not yet begun are hidden."""


@dataclass(slots=True)
class _Row:
    totals: RowTotals
    done: int
    failed: int = 0
    cost_left: float = 0.0
    seconds: float = 0.0
    made: int = 0


class Estimate:
    """What is left to do, and how long that takes. Pure arithmetic over events."""

    def __init__(self, rows: tuple[RowTotals, ...], workers: int) -> None:
        """Start from what a PLANNED event says."""
        self._rows = {totals.row: _Row(totals, totals.done, cost_left=totals.cost_left) for totals in rows}
        self._workers = max(1, workers)
        self._cost = self._seconds = 0.0

    @property
    def cells(self) -> int:
        """All cells of the run."""
        return sum(row.totals.cells for row in self._rows.values())

    @property
    def done(self) -> int:
        """Cells done, before this run or in it."""
        return sum(row.done for row in self._rows.values())

    @property
    def failed(self) -> int:
        """Cells given up."""
        return sum(row.failed for row in self._rows.values())

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

    def seconds_left(self, name: str | None = None) -> float | None:
        """For a row, or for the whole run; None before the first cell is made."""
        if name is None:
            times = [self.seconds_left(row) for row in self._rows]
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


class Progress:
    """A listener for the fleet's events. Use it as a context around the run."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `console`, by default standard error."""
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._estimate = Estimate((), 1)
        self._bars: Bars | None = None
        self._tasks: dict[str | None, TaskID] = {}
        self._last_line = float("-inf")

    def __enter__(self) -> Self:
        """Itself, for `on_event`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._stop()

    def __call__(self, event: FleetEvent) -> None:
        """Show one event."""
        if event.kind is EventKind.PLANNED:
            self._estimate = Estimate(event.totals, event.workers)
            if self._console.is_terminal:
                self._start(event.totals)
        self._estimate.add(event)
        if event.message is not None:
            self._console.print(f"{event.kind.value}: {event.message}", markup=False, highlight=False, soft_wrap=True)
        if event.kind is EventKind.ENDED:
            self._stop()
            self._line()
        elif self._bars is not None:
            self._update(event.row)
        elif event.kind is EventKind.PLANNED or self._clock() - self._last_line >= LINE_EVERY_S:
            self._line()

    def _start(self, rows: tuple[RowTotals, ...]) -> None:
        self._stop()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._bars = Bars(*columns, TextColumn("{task.fields[left]}", markup=False), console=self._console)
        total = self._bars.add_task("all", total=self._estimate.cells, completed=self._estimate.done, left="")
        self._tasks = {None: total}
        for row in rows:
            shown = len(rows) <= _SHOWN_ROWS
            self._tasks[row.row] = self._bars.add_task(
                row.row, total=row.cells, completed=row.done, left="", visible=shown
            )
        self._bars.start()

    def _update(self, row: str | None) -> None:
        if self._bars is None:
            return
        estimate = self._estimate
        left = describe_left(estimate.seconds_left(), estimate.failed)
        self._bars.update(self._tasks[None], completed=estimate.done + estimate.failed, left=left)
        if row is not None and row in self._tasks:
            done, failed, cells = estimate.progress(row)
            visible = len(self._tasks) <= _SHOWN_ROWS + 1 or done + failed < cells
            left = describe_left(estimate.seconds_left(row), failed)
            self._bars.update(self._tasks[row], completed=done + failed, left=left, visible=visible)

    def _line(self) -> None:
        self._last_line = self._clock()
        estimate = self._estimate
        left = describe_left(estimate.seconds_left(), estimate.failed)
        text = f"{estimate.done} of {estimate.cells} cells done" + (f", {left}" if left else "")
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def describe_left(seconds: float | None, failed: int) -> str:
    """Time left and failures, as a few words; empty if there is nothing to say."""
    parts = []
    if seconds:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        parts.append(f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)
