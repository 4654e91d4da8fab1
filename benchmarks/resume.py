"""How long a run takes to see what is done: `python benchmarks/resume.py` writes docs/measurements/resume.md.

A store of so many finished and scored cells is made in a temporary folder of --folder's file system, with the sidecars,
scores and video files of a real one but for the videos' content. Times are wall-clock seconds of this process.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests" / "harness")]

from fake_worker import make_record, make_score, make_task

from harness.ledger import Ledger, ledger_path
from harness.records import DecisionRecord
from harness.resume import what_is_done
from harness.sidecar import dump
from harness.store import Store

DOCUMENT = Path(__file__).parents[1] / "docs" / "measurements" / "resume.md"
ROWS = 16
STEPS = 50

_TEXT = """\
# Seeing what is done

`python benchmarks/resume.py {options}` on {cores} cores ({machine}), {date}; load average {load:.1f}.

A store of {cells:,} finished cells in {rows} rows, each with a record of {record_bytes:,} bytes, a score and a video
file, on a local disk. "See what is done" is `harness.resume.what_is_done`: the ledger is compared with listings of
records, failures, scores and videos; only what is new or changed is opened.

| | wall-clock s | processor s |
| --- | --- | --- |
{lines}
"""


def main() -> None:
    """Make the store, time each question, write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=75_520)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        store = Store(folder)
        ids, record_bytes = _fill(store, given.cells)
        path = ledger_path(store)

        def see() -> set[str]:
            with Ledger(path) as ledger:
                return what_is_done(store, ledger, dict.fromkeys(ids), ["psnr"])

        def add() -> None:
            _fill(store, 640, first=given.cells)

        lines = []
        for name, before in {
            "first time, without a ledger: every sidecar is opened": lambda: None,
            "again": lambda: None,
            "after 640 more cells": add,
        }.items():
            before()
            wall, processor, done = _timed(see)
            assert len(done) == given.cells, (name, len(done))
            lines.append(f"| {name} | {wall:.1f} | {processor:.1f} |")
    text = _TEXT.format(
        options=" ".join(sys.argv[1:]),
        cores=os.cpu_count(),
        machine=f"{platform.machine()}, Python {platform.python_version()}",
        date=datetime.now(UTC).date(),
        load=os.getloadavg()[0],
        cells=given.cells,
        rows=ROWS,
        record_bytes=record_bytes,
        lines="\n".join(lines),
    )
    given.out.write_text(text, encoding="utf-8")
    print(text)


def _fill(store: Store, cells: int, first: int = 0) -> tuple[list[str], int]:
    """Finished cells, written without the syncing that makes a real run safe and this one slow."""
    task = make_task("ok")
    score = make_score(task)
    decisions = tuple(
        DecisionRecord(step_index=step, branch=branch, action="reuse") for step in range(STEPS) for branch in "cu"
    )
    pattern = make_record(task).model_copy(update={"decisions": decisions})
    ids, size, made = [], 0, set()
    for number in range(first, first + cells):
        cell_id = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        video = f"videos/row-{number % ROWS}/prompt {number}-0.mp4"
        data = dump(pattern.model_copy(update={"cell_id": cell_id, "video": video, "video_bytes": 1}))
        for path, content in {
            f"cells/{cell_id[:2]}/{cell_id}.json": data,
            f"scores/{cell_id[:2]}/{cell_id}.psnr.json": dump(score.model_copy(update={"cell_id": cell_id})),
            video: b"x",
        }.items():
            target = Path(store.root, path)
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            target.write_bytes(content)
        ids.append(cell_id)
        size = len(data)
    return ids, size


def _timed(action: Callable[[], set[str]]) -> tuple[float, float, set[str]]:
    wall, processor = time.perf_counter(), time.process_time()
    result = action()
    return time.perf_counter() - wall, time.process_time() - processor, result


if __name__ == "__main__":
    main()
