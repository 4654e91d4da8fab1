"""How a run stands, as its driver last said it in the store: `progress/<suite>.json`, written every few seconds.

Whoever reads the store can see it, from any machine and without Ray. It is only a word about the run: the truth is in
the records, and nothing is lost with it.
"""

from __future__ import annotations

import logging

from pydantic import ValidationError

from harness.errors import StoreError
from harness.records import Record
from harness.store import Store

LOGGER = logging.getLogger(__name__)

SILENT_AFTER_S = 90.0
"""A driver that has said nothing for so long, and not that it ended, is gone or cut off."""


class RowProgress(Record):
    """How far one row is."""

    row: str
    cells: int
    done: int
    """Made and scored, in this run or before."""
    failed: int
    """Given up in this run."""
    seconds_left: float | None
    """None before anything can be said."""


class RunProgress(Record):
    """One word of a driver. Times are Unix seconds."""

    suite: str
    host: str
    pid: int
    began_at: float
    said_at: float
    ended: bool
    workers: int
    """How many the run asks for."""
    workers_alive: int
    workers_busy: int
    busy_share: float
    """Of the workers asked for, since the run began: 0..1."""
    cells_per_hour: float | None
    """Over the last hour at most; None before the first cell is made."""
    seconds_left: float | None
    rows: tuple[RowProgress, ...]
    failures: dict[str, int]
    """Failed attempts, retried or not, by reason with its numbers blotted out; the most frequent ones, first."""

    @property
    def cells(self) -> int:
        """All cells of the run."""
        return sum(row.cells for row in self.rows)

    @property
    def done(self) -> int:
        """Cells done, before this run or in it."""
        return sum(row.done for row in self.rows)

    @property
    def failed(self) -> int:
        """Cells given up."""
        return sum(row.failed for row in self.rows)

    def silent(self, now: float) -> bool:
        """Whether the driver should have spoken again by now."""
        return not self.ended and now - self.said_at > SILENT_AFTER_S


def write_progress(store: Store, progress: RunProgress) -> None:
    """Replace what the driver said before. A store that cannot be written is a warning: the run itself will tell."""
    try:
        store.replace(_path(progress.suite), progress.model_dump_json(indent=1).encode())
    except StoreError as error:
        LOGGER.warning("%s", error)


def read_progress(store: Store, suite: str) -> RunProgress | None:
    """The last word about a suite's run; None without one, and where another version of the harness said it."""
    data = store.read_bytes(_path(suite))
    if data is None:
        return None
    try:
        return RunProgress.model_validate_json(data)
    except ValidationError:
        return None


def _path(suite: str) -> str:
    return f"progress/{suite}.json"
