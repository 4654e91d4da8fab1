"""A run over fake cells in a process of its own, for tests that kill it: STORE CELLS SECONDS-PER-CELL.

Prints the summary as JSON. Running it again does what is missing, as `harness run` does.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from fake_worker import WORKER, make_task

from harness.fleet import run_fleet
from harness.ledger import Ledger
from harness.progress import Progress
from harness.store import Store
from harness.task import CellTask


def suite(cells: int, seconds: float) -> list[CellTask]:
    """Half originals, half rows compared with them."""
    originals = [make_task(f"sleep {seconds}", prompt_index=index) for index in range(cells // 2)]
    others = [
        make_task(f"sleep {seconds}", row="fast", row_index=1, prompt_index=index, reference=task, cost=0.5)
        for index, task in enumerate(originals)
    ]
    return [*originals, *others]


def main() -> None:
    """Sync, run, sum up."""
    root, cells, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    tasks = suite(cells, seconds)
    with Ledger(f"{root}/ledger.db") as ledger, Progress("fake") as progress:
        done = ledger.sync(Store(root), [task.cell_id for task in tasks])
        summary = run_fleet(tasks, done, root, worker=WORKER, workers=2, on_event=progress)
    print(json.dumps(asdict(summary)))


if __name__ == "__main__":
    main()
