"""What people see of a run, on a terminal and in a log file."""

from __future__ import annotations

import io

import pytest
from fake_worker import make_record, make_task
from rich.console import Console

from harness.events import EventKind, FleetEvent, RowTotals
from harness.progress import LINE_EVERY_S, Estimate, Progress, describe_left
from harness.task import CellTask

ROWS = (RowTotals("original", cells=4, done=1, cost_left=3.0), RowTotals("fast", cells=4, done=0, cost_left=1.0))


def about(kind: EventKind, task: CellTask, cost: float, message: str | None = None) -> FleetEvent:
    record = make_record(task)
    return FleetEvent(kind, 0.0, task.cell_id, task.row, cost=cost, record=record, message=message)


def test_time_left_follows_cost_and_then_the_rows_own_mean() -> None:
    estimate = Estimate(ROWS, workers=2)
    assert estimate.seconds_left() is None
    # Records last two seconds each.
    estimate.add(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
    assert estimate.seconds_left("original") == 2 * 2.0 / 2
    assert estimate.seconds_left("fast") == 1.0 * 2.0 / 2
    assert estimate.seconds_left() == 3.0
    estimate.add(about(EventKind.SUCCEEDED, make_task("ok", row="fast"), cost=0.25))
    assert estimate.seconds_left("fast") == 3 * 2.0 / 2
    estimate.add(about(EventKind.FAILED, make_task("fail", row="fast"), cost=0.25))
    assert estimate.seconds_left("fast") == 2 * 2.0 / 2
    assert (estimate.done, estimate.failed, estimate.cells) == (3, 1, 8)
    assert estimate.progress("fast") == (1, 1, 4)


def test_retries_and_other_events_change_nothing() -> None:
    estimate = Estimate(ROWS, workers=1)
    estimate.add(about(EventKind.RETRYING, make_task("fail"), cost=1.0))
    estimate.add(FleetEvent(EventKind.WORKER_LOST, 0.0, message="gone"))
    assert (estimate.done, estimate.failed) == (1, 0)


@pytest.mark.parametrize(
    ("seconds", "failed", "text"),
    [(None, 0, ""), (0.0, 0, ""), (75.0, 0, "1:15 left"), (3_725.0, 2, "1:02:05 left, 2 failed")],
)
def test_time_left_in_words(seconds: float | None, failed: int, text: str) -> None:
    assert describe_left(seconds, failed) == text


def test_without_a_terminal_there_are_plain_lines_now_and_then() -> None:
    now = [0.0]
    out = io.StringIO()
    with Progress(Console(file=out), clock=lambda: now[0]) as progress:
        progress(FleetEvent(EventKind.PLANNED, 0.0, totals=ROWS, workers=1))
        progress(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
        now[0] += LINE_EVERY_S
        progress(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
        progress(about(EventKind.FAILED, make_task("fail"), cost=1.0, message="[x] prompt 3: failed, no luck"))
        progress(FleetEvent(EventKind.ENDED, 0.0))
    assert out.getvalue().splitlines() == [
        "1 of 8 cells done",
        "3 of 8 cells done, 0:04 left",
        "failed: [x] prompt 3: failed, no luck",
        "3 of 8 cells done, 0:02 left, 1 failed",
    ]


@pytest.mark.parametrize("extra", [0, 30])
def test_on_a_terminal_every_row_has_a_bar(extra: int) -> None:
    out = io.StringIO()
    rows = ROWS + tuple(RowTotals(f"more-{number}", 1, 1, 0.0) for number in range(extra))
    with Progress(Console(file=out, force_terminal=True, width=100)) as progress:
        progress(FleetEvent(EventKind.PLANNED, 0.0, totals=rows, workers=1))
        progress(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
        progress(about(EventKind.SUCCEEDED, make_task("ok", row="fast"), cost=0.25))
        progress(FleetEvent(EventKind.ENDED, 0.0))
    text = out.getvalue()
    assert "original" in text
    assert "2/4" in text
    assert ("more-3" in text) is False


def test_it_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress(FleetEvent(EventKind.PLANNED, 0.0, totals=ROWS, workers=1))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1 of 8 cells done" in captured.err
