"""Who is to blame for failures in a row: the cells, their row, the worker, or the place it stands in.

Pure bookkeeping, without clock or workers. A row of which no cell was made in this run may itself be broken, so it
speaks against each place only once. A place where cells fail that are made elsewhere, with one worker and with the
next, would take cell after cell from those that work, since failing is quick.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import Enum

FAILURES_IN_A_ROW = 3
"""So many cells failed one after the other on one worker speak against the worker."""


class Verdict(Enum):
    """What to do with a worker after a failed cell."""

    KEEP = "keep"
    REPLACE = "replace"
    """A new process in its place may help: a CUDA context that an error broke stays broken."""
    RETIRE = "retire"
    """It did not help. Nothing may be put in this place again."""


class Suspicion:
    """Failures and successes of all workers of one run."""

    def __init__(self) -> None:
        self._streaks: dict[str, list[str]] = defaultdict(list)
        self._sound_rows: set[str] = set()
        self._replaced: Counter[str] = Counter()
        self._accused: set[tuple[str, str]] = set()

    def succeeded(self, worker: str, place: str, row: str) -> None:
        """A worker made a cell of a row."""
        self._streaks.pop(worker, None)
        self._replaced.pop(place, None)
        self._sound_rows.add(row)

    def failed(self, worker: str, place: str, row: str) -> Verdict:
        """A worker failed a cell of a row; `place` is the device it holds, whatever process does."""
        streak = self._streaks[worker]
        streak.append(row)
        if len(streak) < FAILURES_IN_A_ROW:
            return Verdict.KEEP
        del self._streaks[worker]
        rows = set(streak)
        if rows <= self._sound_rows:
            self._replaced[place] += 1
            return Verdict.REPLACE if self._replaced[place] == 1 else Verdict.RETIRE
        accusations = {(place, row) for row in rows}
        if accusations <= self._accused:
            return Verdict.KEEP
        self._accused |= accusations
        return Verdict.REPLACE

    def gone(self, worker: str) -> None:
        """A worker is no more."""
        self._streaks.pop(worker, None)
