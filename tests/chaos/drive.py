"""One driver over chaos' cells in a process of its own, to be killed: STORE CELLS SECONDS ADDRESS.

Prints its summary as JSON. Run again, it does what is missing, as `harness run` does.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from harness.events import FleetEvent
from harness.fleet import run_fleet
from harness.ledger import Ledger, ledger_path
from harness.resume import what_is_done
from harness.store import Store
from tests.chaos.cells import METRIC, WORKER, chaos_tasks


def main() -> None:
    """Sync, run, sum up."""
    root, cells, seconds, address = sys.argv[1:]
    tasks = chaos_tasks(int(cells), float(seconds))
    store = Store(root)
    with Ledger(ledger_path(store)) as ledger:
        done = what_is_done(store, ledger, {task.cell_id: task.reference_cell_id for task in tasks}, [METRIC])

        def keep(event: FleetEvent) -> None:
            if event.record is not None:
                ledger.record_attempt(event.record)

        summary = run_fleet(tasks, done, root, worker=WORKER, address=address, backoff_s=0.5, on_event=keep)
    print(json.dumps(asdict(summary)))


if __name__ == "__main__":
    main()
