"""What people see of a run, on a terminal and in a log file, and what others read in the store."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from fake_worker import make_record, make_task
from rich.console import Console

from harness.events import EventKind, FleetEvent, RowTotals
from harness.progress import LINE_EVERY_S, Progress
from harness.progress_view import left_in_words
from harness.records import Status
from harness.run_progress import RunProgress, read_progress, write_progress
from harness.store import Store
from harness.task import CellTask

ROWS = (RowTotals("original", cells=4, done=1, cost_left=3.0), RowTotals("fast", cells=4, done=0, cost_left=1.0))
PLANNED = FleetEvent(EventKind.PLANNED, 0.0, totals=ROWS, workers=1)


def about(kind: EventKind, task: CellTask, cost: float, message: str | None = None, at: float = 0.0) -> FleetEvent:
    bad = kind is EventKind.FAILED
    record = make_record(task, Status.FAILED if bad else Status.OK, reason="no luck" if bad else None)
    return FleetEvent(kind, at, task.cell_id, task.row, cost=cost, record=record, message=message)


@pytest.mark.parametrize(
    ("seconds", "failed", "text"),
    [(None, 0, ""), (0.0, 0, ""), (75.0, 0, "1:15 left"), (3_725.0, 2, "1:02:05 left, 2 failed")],
)
def test_time_left_in_words(seconds: float | None, failed: int, text: str) -> None:
    assert left_in_words(seconds, failed) == text


def test_without_a_terminal_there_are_plain_lines_now_and_then() -> None:
    now = [0.0]
    out = io.StringIO()
    with Progress("fake", Console(file=out), clock=lambda: now[0]) as progress:
        progress(PLANNED)
        progress(about(EventKind.DISPATCHED, make_task("ok"), cost=1.0))
        progress(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
        progress(about(EventKind.DISPATCHED, make_task("ok", prompt_index=1), cost=1.0))
        now[0] += LINE_EVERY_S
        progress(about(EventKind.SUCCEEDED, make_task("ok", prompt_index=1), cost=1.0))
        progress(about(EventKind.FAILED, make_task("fail"), cost=1.0, message="[x] prompt 3: failed, no luck"))
        progress(FleetEvent(EventKind.ENDED, 0.0))
    assert out.getvalue().splitlines() == [
        "1 of 8 cells done, 0 of 1 workers busy",
        "2 of 8 cells done, 1 of 1 workers busy, busy 100% of the time, 240 cells an hour, 0:06 left",
        "failed: [x] prompt 3: failed, no luck",
        "3 of 8 cells done, 480 cells an hour, 1 failed",
        "1 x failed: no luck",
    ]


@pytest.mark.parametrize("extra", [0, 30])
def test_on_a_terminal_every_row_has_a_bar(extra: int) -> None:
    out = io.StringIO()
    rows = ROWS + tuple(RowTotals(f"more-{number}", 1, 1, 0.0) for number in range(extra))
    with Progress("fake", Console(file=out, force_terminal=True, width=100), clock=lambda: 0.0) as progress:
        progress(FleetEvent(EventKind.PLANNED, 0.0, totals=rows, workers=1))
        progress(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
        progress(about(EventKind.SUCCEEDED, make_task("ok", row="fast"), cost=0.25))
        progress(about(EventKind.FAILED, make_task("fail", row="fast"), cost=0.25))
        progress(FleetEvent(EventKind.ENDED, 0.0))
    text = out.getvalue()
    assert "original" in text
    assert "2/4" in text
    assert "1 x failed: no luck" in text
    assert ("more-3" in text) is False
    assert ("30 more rows" in text) is bool(extra)


def test_it_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("fake") as progress:
        progress(PLANNED)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1 of 8 cells done" in captured.err


def test_others_read_in_the_store_how_things_stand_and_that_the_run_is_over(tmp_path: Path) -> None:
    store, told = Store(str(tmp_path)), []

    def tell(progress: RunProgress) -> None:
        write_progress(store, progress)
        told.append(progress)

    with Progress("fake", Console(file=io.StringIO()), tell=tell) as progress:
        progress(FleetEvent(EventKind.PLANNED, time.time(), totals=ROWS, workers=1))
        deadline = time.monotonic() + 30
        while not told:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running = read_progress(store, "fake")
    assert running is not None
    assert (running.ended, running.cells, running.done) == (False, 8, 1)
    assert not running.silent(running.said_at + 10)
    assert running.silent(running.said_at + 1000)
    after = read_progress(store, "fake")
    assert after is not None
    assert after.ended
    assert not after.silent(after.said_at + 1000)


def test_no_word_is_none(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert read_progress(store, "fake") is None
    store.replace("progress/fake.json", b'{"suite": "fake", "from": "another version"}')
    assert read_progress(store, "fake") is None
