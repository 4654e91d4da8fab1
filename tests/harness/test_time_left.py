from __future__ import annotations

from fake_worker import make_record, make_task

from harness.events import EventKind, FleetEvent, RowTotals
from harness.task import CellTask
from harness.time_left import TimeLeft

ROWS = (RowTotals("original", cells=4, done=1, cost_left=3.0), RowTotals("fast", cells=4, done=0, cost_left=1.0))


def about(kind: EventKind, task: CellTask, cost: float) -> FleetEvent:
    return FleetEvent(kind, 0.0, task.cell_id, task.row, cost=cost, record=make_record(task))


def test_time_left_follows_cost_and_then_the_rows_own_mean() -> None:
    left = TimeLeft(ROWS, workers=2)
    assert left.seconds() is None
    # Records last two seconds each.
    left.add(about(EventKind.SUCCEEDED, make_task("ok"), cost=1.0))
    assert left.seconds("original") == 2 * 2.0 / 2
    assert left.seconds("fast") == 1.0 * 2.0 / 2
    assert left.seconds() == 3.0
    left.add(about(EventKind.SUCCEEDED, make_task("ok", row="fast"), cost=0.25))
    assert left.seconds("fast") == 3 * 2.0 / 2
    left.add(about(EventKind.FAILED, make_task("fail", row="fast"), cost=0.25))
    assert left.seconds("fast") == 2 * 2.0 / 2
    assert left.progress("original") == (2, 0, 4)
    assert left.progress("fast") == (1, 1, 4)


def test_retries_and_other_events_change_nothing() -> None:
    left = TimeLeft(ROWS, workers=1)
    left.add(about(EventKind.RETRYING, make_task("fail"), cost=1.0))
    left.add(FleetEvent(EventKind.WORKER_LOST, 0.0, message="gone"))
    assert left.progress("original") == (1, 0, 4)
