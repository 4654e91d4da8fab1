"""The large chaos run: `python -m tests.chaos.run` writes docs/measurements/chaos.md.

By default 16 nodes of 4 slots and 2 000 cells of 2 s on average; options make it smaller. Exit code 1 if a cell is
lost, is there twice, or differs from that of an undisturbed run.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from harness.ledger import ledger_path
from harness.store import Store
from tests.chaos.cells import chaos_tasks, contents, undisturbed
from tests.chaos.conductor import ROOT, Report, conduct, ray_environment
from tests.chaos.kills import Victim, schedule

DOCUMENT = ROOT / "docs" / "measurements" / "chaos.md"

_TEXT = """\
# A fleet in trouble

`python -m tests.chaos.run {options}` on {cores} cores ({machine}), {date}.

{nodes} simulated nodes of {slots} slots on one machine (`ray.cluster_utils.Cluster`, fake GPUs), {cells} cells of
{seconds:g} s on average in four rows, three of them compared with the first. SIGKILL hits workers, nodes, drivers and
the head at moments that follow from seed {seed}; after a driver's death another is started on what it left; after the
head's, on a new cluster of half as many nodes. Besides, 1 % of the cells' first attempts raise and 1 % run out of
memory. A kill that finds nobody, as of a node where only the head is left, is not counted.

| killed | times |
| --- | --- |
{kills}

| at the end | |
| --- | --- |
| cells planned | {cells} |
| cells with a record | {found} |
| lost | {lost} |
| records of cells not planned | {foreign} |
| cells committed twice | {twice} |
| files and records that differ from an undisturbed run's | {differ} |
| failures left | {failures} |
| drivers | {drivers} |
| attempts that ended badly, as the drivers saw them | {bad} |
| seconds in all | {elapsed:.0f} |

An undisturbed run is the same cells, one after the other in one process. Compared are all records but for their times,
attempt numbers and workers, all scores, videos and lossless copies. A cell is committed by a conditional creation of
its record, so that a second commit is refused; the ledger's history would show it.
"""


def main() -> int:
    """Run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--cells", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    for victim, count in {Victim.WORKER: 30, Victim.NODE: 4, Victim.DRIVER: 3, Victim.HEAD: 1}.items():
        parser.add_argument(f"--kill-{victim}s", type=int, default=count, help=f"how many {victim}s are killed")
    parser.add_argument("--deadline-s", type=float, default=3_600.0)
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    counts = {victim: getattr(given, f"kill_{victim}s") for victim in Victim}
    tasks = chaos_tasks(given.cells, given.seconds)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "chaos")
        root.mkdir()
        kills = schedule(given.seed, len(tasks), counts)
        with ray_environment():
            report = conduct(
                root, len(tasks), given.seconds, kills, given.nodes, given.slots, deadline_s=given.deadline_s
            )
        store, planned = Store(str(root)), {task.cell_id for task in tasks}
        made, expected = contents(store), undisturbed(tasks, Path(folder, "undisturbed"))
        differ = {path for path in made.keys() | expected.keys() if made.get(path) != expected.get(path)}
        found = store.cell_ids()
        numbers = {
            "found": len(found),
            "lost": len(planned - found),
            "foreign": len(found - planned),
            "differ": len(differ),
            "failures": len(store.failure_stamps()),
            **_history(ledger_path(store)),
        }
    given.out.write_text(_document(given, report, len(tasks), numbers), encoding="utf-8")
    print(f"{given.out}: {numbers}, kills {report.kills}, {report.elapsed_s:.0f} s")
    return int(bool(numbers["lost"] or numbers["foreign"] or numbers["differ"] or numbers["twice"]))


def _history(ledger: Path) -> dict[str, int]:
    """What the ledger's attempts say: cells that succeeded more than once, and attempts that did not."""
    connection = sqlite3.connect(ledger)
    twice = "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE status = 'ok' GROUP BY cell_id HAVING count(*) > 1)"
    bad = "SELECT count(*) FROM attempts WHERE status != 'ok'"
    found = {name: connection.execute(query).fetchone()[0] for name, query in {"twice": twice, "bad": bad}.items()}
    connection.close()
    return found


def _document(given: argparse.Namespace, report: Report, cells: int, numbers: dict[str, int]) -> str:
    return _TEXT.format(
        options=" ".join(sys.argv[1:]),
        cores=os.cpu_count(),
        machine=f"{platform.machine()}, Python {platform.python_version()}",
        date=datetime.now(UTC).date(),
        nodes=given.nodes,
        slots=given.slots,
        cells=cells,
        seconds=given.seconds,
        seed=given.seed,
        kills="\n".join(f"| {victim} | {report.kills.get(victim, 0)} |" for victim in Victim),
        drivers=report.drivers,
        elapsed=report.elapsed_s,
        **numbers,
    )


if __name__ == "__main__":
    sys.exit(main())
