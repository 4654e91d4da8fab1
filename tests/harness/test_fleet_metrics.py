from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

from fake_worker import make_record, make_task

from harness.events import EventKind, FleetEvent, RowTotals
from harness.fleet_metrics import FleetMetrics
from harness.records import Status

SHOWN: Counter[str] = Counter()


class FakeMetric:
    """As Ray's, with the last or summed value by name and tags."""

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...] = ()) -> None:
        self._name, self._tag_keys = name, tag_keys

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        assert set(tags or {}) == set(self._tag_keys)
        SHOWN[".".join([self._name, *(tags or {}).values()])] += int(value)

    def set(self, value: float) -> None:
        SHOWN[self._name] = int(value)


def test_what_is_shown_follows_the_events() -> None:
    SHOWN.clear()
    listen = FleetMetrics(SimpleNamespace(Counter=FakeMetric, Gauge=FakeMetric))
    tasks = [make_task("ok", prompt_index=index) for index in range(3)]

    def cell(kind: EventKind, index: int, status: Status | None = None) -> None:
        record = None if status is None else make_record(tasks[index], status)
        listen(FleetEvent(kind, 0.0, tasks[index].cell_id, "original", record=record, worker="worker-1"))

    listen(FleetEvent(EventKind.PLANNED, 0.0, totals=(RowTotals("original", 4, 1, 3.0),), workers=1))
    assert SHOWN["harness_cells_queued"] == 3
    listen(FleetEvent(EventKind.WORKER_STARTED, 0.0, worker="worker-1"))
    cell(EventKind.DISPATCHED, 0)
    assert (SHOWN["harness_cells_queued"], SHOWN["harness_cells_in_flight"], SHOWN["harness_workers_alive"]) == (
        2,
        1,
        1,
    )
    cell(EventKind.SUCCEEDED, 0, Status.OK)
    cell(EventKind.DISPATCHED, 1)
    cell(EventKind.RETRYING, 1, Status.OOM)
    assert (SHOWN["harness_cells_queued"], SHOWN["harness_cells_in_flight"]) == (2, 0)
    cell(EventKind.DISPATCHED, 1)
    cell(EventKind.FAILED, 1, Status.OOM)
    listen(FleetEvent(EventKind.ENDED, 0.0))
    assert SHOWN["harness_cells_made"] == 1
    assert SHOWN["harness_attempts_failed.oom"] == 2
    assert (SHOWN["harness_cells_queued"], SHOWN["harness_workers_alive"]) == (1, 0)
