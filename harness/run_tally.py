"""What a run's events add up to: rows, workers, failures by reason, speed. Pure: time is what the events say."""

from __future__ import annotations

import os
import re
import socket
from collections import Counter, deque

from harness.events import EventKind, FleetEvent
from harness.run_progress import RowProgress, RunProgress
from harness.time_left import TimeLeft

WINDOW_S = 3600.0
"""Speed is that of the last hour."""

_SHOWN_FAILURES = 12
_REASON_LENGTH = 160
_ENDS_OF_ATTEMPTS = {EventKind.SUCCEEDED, EventKind.RETRYING, EventKind.FAILED}


class RunTally:
    """Give it every event, and ask it how things stand."""

    def __init__(self, suite: str) -> None:
        """Of one run of this suite, which has not begun yet."""
        self._suite = suite
        self._rows: tuple[str, ...] = ()
        self._time_left = TimeLeft((), 1)
        self._workers = 0
        self._began_at: float | None = None
        self._ended = False
        self._alive: set[str] = set()
        self._in_flight: dict[str, float] = {}
        self._busy_s = 0.0
        self._made_at: deque[float] = deque()
        self._failures: Counter[str] = Counter()

    def add(self, event: FleetEvent) -> None:
        """Take one event."""
        self._time_left.add(event)
        match event.kind:
            case EventKind.PLANNED:
                self._time_left = TimeLeft(event.totals, event.workers)
                self._rows = tuple(totals.row for totals in event.totals)
                self._workers, self._began_at = event.workers, event.at
            case EventKind.WORKER_STARTED:
                self._alive.add(event.worker or "")
            case EventKind.WORKER_LOST:
                self._alive.discard(event.worker or "")
            case EventKind.DISPATCHED:
                self._in_flight[event.cell_id or ""] = event.at
            case EventKind.ENDED:
                self._ended = True
        if event.kind in _ENDS_OF_ATTEMPTS:
            self._busy_s += event.at - self._in_flight.pop(event.cell_id or "", event.at)
            if event.kind is EventKind.SUCCEEDED:
                self._made_at.append(event.at)
            elif event.record is not None:
                self._failures[reason_without_numbers(event.record.status.value, event.record.reason)] += 1

    def progress(self, now: float) -> RunProgress:
        """How things stand at this Unix time."""
        began_at = now if self._began_at is None else self._began_at
        elapsed_s = now - began_at
        while self._made_at and self._made_at[0] < now - WINDOW_S:
            self._made_at.popleft()
        busy_s = self._busy_s + sum(now - since for since in self._in_flight.values())
        slots_s = self._workers * elapsed_s
        speed = len(self._made_at) / min(elapsed_s, WINDOW_S) * 3600 if self._made_at and elapsed_s > 0 else None
        return RunProgress(
            suite=self._suite,
            host=socket.gethostname(),
            pid=os.getpid(),
            began_at=began_at,
            said_at=now,
            ended=self._ended,
            workers=self._workers,
            workers_alive=len(self._alive),
            workers_busy=len(self._in_flight),
            busy_share=min(1.0, busy_s / slots_s) if slots_s > 0 else 0.0,
            cells_per_hour=speed,
            seconds_left=self._time_left.seconds(),
            rows=tuple(self._row(name) for name in self._rows),
            failures=dict(self._failures.most_common(_SHOWN_FAILURES)),
        )

    def _row(self, name: str) -> RowProgress:
        done, failed, cells = self._time_left.progress(name)
        return RowProgress(row=name, cells=cells, done=done, failed=failed, seconds_left=self._time_left.seconds(name))


def reason_without_numbers(status: str, reason: str | None) -> str:
    """Status and reason such that the same mishap on another cell, worker or address reads the same."""
    text = re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "#", reason or "no reason given")
    return f"{status}: {text}"[:_REASON_LENGTH]
