"""A run's progress for people: on a live terminal, in a log, and in `harness status`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.run_progress import RowProgress, RunProgress

SHOWN_ROWS = 24
"""With more rows than this, those that are complete or not yet begun are left out."""

_BAR_WIDTH = 30


def progress_view(progress: RunProgress) -> RenderableType:
    """A line about the run, a bar for each row, and why attempts failed."""
    rows = shown_rows(progress.rows)
    bars = Table.grid(padding=(0, 1))
    whole = RowProgress(
        row="all",
        cells=progress.cells,
        done=progress.done,
        failed=progress.failed,
        seconds_left=progress.seconds_left,
    )
    for row in (whole, *rows):
        bars.add_row(
            Text(row.row, overflow="ellipsis", no_wrap=True),
            ProgressBar(total=max(1, row.cells), completed=row.done + row.failed, width=_BAR_WIDTH),
            Text(f"{row.done + row.failed}/{row.cells}", justify="right"),
            Text(left_in_words(row.seconds_left, row.failed)),
        )
    parts: list[RenderableType] = [Text(summary_line(progress)), bars]
    if hidden := len(progress.rows) - len(rows):
        parts.append(Text(f"{hidden} more rows are complete or not yet begun", style="dim"))
    return Group(*parts, *(Text(line, style="yellow") for line in failure_lines(progress)))


def shown_rows(rows: Sequence[RowProgress]) -> list[RowProgress]:
    """All, or of too many those that are under way."""
    if len(rows) <= SHOWN_ROWS:
        return list(rows)
    return [row for row in rows if 0 < row.done + row.failed < row.cells][:SHOWN_ROWS]


def summary_line(progress: RunProgress) -> str:
    """Cells, workers, speed, time left and failures, in one line."""
    parts = [f"{progress.done} of {progress.cells} cells done"]
    if not progress.ended and progress.workers:
        parts.append(f"{progress.workers_busy} of {progress.workers} workers busy")
    if progress.workers and (progress.workers_busy or progress.busy_share):
        parts.append(f"busy {progress.busy_share:.0%} of the time")
    if progress.cells_per_hour is not None:
        parts.append(f"{progress.cells_per_hour:.0f} cells an hour")
    seconds_left = None if progress.ended else progress.seconds_left
    if left := left_in_words(seconds_left, progress.failed):
        parts.append(left)
    if seconds_left and seconds_left > 3600:
        parts.append(f"until {time.strftime('%b %d %H:%M', time.localtime(progress.said_at + seconds_left))}")
    return ", ".join(parts)


def failure_lines(progress: RunProgress) -> list[str]:
    """How many attempts failed for each reason."""
    return [f"{count} x {reason}" for reason, count in progress.failures.items()]


def left_in_words(seconds: float | None, failed: int) -> str:
    """Time left and cells given up, as a few words; empty if there is nothing to say."""
    parts = []
    if seconds:
        parts.append(f"{duration(seconds)} left")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as a clock shows them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
