"""A small fleet in trouble: every cell has one record, and all of them are what an undisturbed run makes.

The large one is `python -m tests.chaos.run`, which writes docs/measurements/chaos.md.
"""

from __future__ import annotations

from pathlib import Path

from harness.ledger import Ledger, ledger_path
from harness.store import Store
from tests.chaos.cells import chaos_tasks, contents, undisturbed
from tests.chaos.conductor import conduct, ray_environment
from tests.chaos.kills import Victim, schedule

CELLS = 60
SECONDS = 0.3
KILLS = {Victim.WORKER: 1, Victim.NODE: 1, Victim.DRIVER: 1}


def test_equal_seeds_give_equal_schedules() -> None:
    def told(seed: int) -> list[tuple[int, Victim, float]]:
        return [(kill.after_cells, kill.victim, kill.dice.random()) for kill in schedule(seed, 1000, KILLS)]

    assert told(1) == told(1) != told(2)
    assert len(told(1)) == sum(KILLS.values())
    assert all(0 < after <= 900 for after, _, _ in told(3))


def test_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path) -> None:
    tasks = chaos_tasks(CELLS, SECONDS)
    (tmp_path / "chaos").mkdir()
    with ray_environment():
        report = conduct(tmp_path / "chaos", CELLS, SECONDS, schedule(8, CELLS, KILLS), 2, 2, deadline_s=600)
    store = Store(str(tmp_path / "chaos"))
    assert report.kills == dict.fromkeys(KILLS, 1)
    assert report.drivers == 2
    assert report.summary["failed"] == 0
    assert report.summary["already_done"] > 0
    assert len(tasks) == CELLS
    assert store.cell_ids() == {task.cell_id for task in tasks}
    assert store.failure_stamps() == {}
    assert contents(store) == undisturbed(tasks, tmp_path / "undisturbed")
    with Ledger(ledger_path(store)) as ledger:
        assert ledger.sync(store, store.cell_ids()) == store.cell_ids()
