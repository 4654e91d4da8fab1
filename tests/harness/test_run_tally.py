from __future__ import annotations

import pytest
from fake_worker import make_record, make_task

from harness.events import EventKind, FleetEvent, RowTotals
from harness.records import Status
from harness.run_tally import WINDOW_S, RunTally, reason_without_numbers
from harness.task import CellTask

BEGAN = 1_000.0


@pytest.fixture
def tally() -> RunTally:
    """Two workers, of which one has started, and four cells to make."""
    tally = RunTally("fake")
    totals = (RowTotals("original", cells=5, done=1, cost_left=4.0),)
    tally.add(FleetEvent(EventKind.PLANNED, BEGAN, totals=totals, workers=2))
    tally.add(FleetEvent(EventKind.WORKER_STARTED, BEGAN, worker="worker-1"))
    return tally


def cell(
    kind: EventKind, at: float, task: CellTask, status: Status = Status.OK, reason: str | None = None
) -> FleetEvent:
    record = None if kind is EventKind.DISPATCHED else make_record(task, status, reason=reason)
    return FleetEvent(kind, at, task.cell_id, task.row, cost=1.0, record=record, worker="worker-1")


def test_workers_are_busy_while_cells_are_in_flight(tally: RunTally) -> None:
    first, second = make_task("ok"), make_task("ok", prompt_index=1)
    tally.add(cell(EventKind.DISPATCHED, BEGAN + 10, first))
    assert tally.progress(BEGAN + 20).workers_busy == 1
    # 10 seconds of one worker of two in 20 seconds.
    assert tally.progress(BEGAN + 20).busy_share == pytest.approx(0.25)
    tally.add(cell(EventKind.SUCCEEDED, BEGAN + 40, first))
    tally.add(cell(EventKind.DISPATCHED, BEGAN + 40, second))
    tally.add(FleetEvent(EventKind.WORKER_LOST, BEGAN + 50, worker="worker-1", message="gone"))
    tally.add(cell(EventKind.RETRYING, BEGAN + 50, second, Status.FAILED, "worker-1 was lost"))
    said = tally.progress(BEGAN + 100)
    assert (said.workers, said.workers_alive, said.workers_busy) == (2, 0, 0)
    assert said.busy_share == pytest.approx((30 + 10) / 200)
    assert (said.done, said.failed, said.cells) == (2, 0, 5)
    assert said.failures == {"failed: worker-# was lost": 1}


def test_the_speed_is_that_of_the_last_hour(tally: RunTally) -> None:
    assert tally.progress(BEGAN + 1).cells_per_hour is None
    for index in range(3):
        tally.add(cell(EventKind.SUCCEEDED, BEGAN + 100, make_task("ok", prompt_index=index)))
    assert tally.progress(BEGAN + 900).cells_per_hour == pytest.approx(12)
    tally.add(cell(EventKind.SUCCEEDED, BEGAN + 2 * WINDOW_S, make_task("ok", prompt_index=3)))
    assert tally.progress(BEGAN + 2 * WINDOW_S).cells_per_hour == pytest.approx(1)


def test_the_same_mishap_on_other_cells_is_one_reason(tally: RunTally) -> None:
    for index, reason in enumerate(["tried to allocate 20.5 GiB at 0x7f", "tried to allocate 3 GiB at 0xa1", None]):
        tally.add(cell(EventKind.FAILED, BEGAN + 1, make_task("ok", prompt_index=index), Status.OOM, reason))
    said = tally.progress(BEGAN + 2)
    assert said.failures == {"oom: tried to allocate # GiB at #": 2, "oom: no reason given": 1}
    assert said.failed == 3


def test_a_reason_is_cut() -> None:
    assert len(reason_without_numbers("failed", "x" * 1000)) < 200


def test_before_the_plan_there_is_nothing_to_say() -> None:
    said = RunTally("fake").progress(BEGAN)
    assert (said.cells, said.workers, said.ended, said.seconds_left) == (0, 0, False, 0.0)
