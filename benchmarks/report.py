"""How long `harness report` takes over tens of thousands of records.

Made up are the records, in a real store on disk: every cell with its 50 timed steps and 100 decisions, scored by four
metrics. What is timed is what the command does: read the store, compute every estimate with its interval, write the
tables and figures, write the page; where there is more than one core, with other processes that it begins for it. Then
the command itself, which starts Python and imports its packages first.

    python benchmarks/report.py --records 75000 --out docs/measurements/report.md
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Run as a script, methods.py beside this file would be found as the package `methods`; the made-up suite is in tests/.
sys.path[0] = str(Path(__file__).parents[1])

# What is imported is imported where it is used: a process that helps begins with this file, whose own imports it would
# have to wait for; the command's are few.

METHODS = ("teacache", "fora", "pab", "taylorseer", "mixcache")
SAMPLES = 5
"""Of each prompt, as VBench has them."""
STEPS = 50
SCORES_A_CELL = 4


def fill(root: Path, records: int) -> int:
    """Write so many records or a few more, as `harness.store` lays them out, without its care for power cuts."""
    from harness.records import DecisionRecord
    from harness.sidecar import dump
    from harness.store import Store
    from tests.reports.synthetic import ROWS, RowSpec, synthetic

    rows = (
        ROWS[0],
        *(
            RowSpec(f"{method}-{interval}", method, {"cache_interval": interval}, 1 + 0.3 * interval, 0.004 * interval)
            for method in METHODS
            for interval in (2, 4, 6)
        ),
    )
    cells = records / (1 + SCORES_A_CELL)
    source = synthetic(rows=rows, prompts=math.ceil(cells / (len(rows) * SAMPLES)), samples=SAMPLES)
    computed, reused = (
        tuple(
            DecisionRecord(step_index=step, branch=branch, action="reuse" if reuse and step % 3 else "compute")
            for step in range(STEPS)
            for branch in ("cond", "uncond")
        )
        for reuse in (False, True)
    )
    Store(str(root)).write_manifest(source.suite)
    written = 0
    for cell_id, record in source.done.items():
        assert record.latency is not None
        latency = record.latency.model_copy(update={"step_s": (record.latency.denoise_s / STEPS,) * STEPS})
        decisions = computed if record.key.method == "original" else reused
        made = record.model_copy(update={"decisions": decisions, "latency": latency})
        for kind, name, content in (
            ("cells", cell_id, made),
            *(("scores", f"{cell_id}.{metric}", score) for metric, score in source.scored[cell_id].items()),
        ):
            path = root / kind / cell_id[:2] / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dump(content))
            written += 1
    return written


def timed(phases: dict[str, float], name: str, action: Callable[[], Any]) -> Any:
    """Seconds of one phase, by the clock."""
    started = time.perf_counter()
    found = action()
    phases[name] = time.perf_counter() - started
    return found


def command(store: str, out: Path) -> float:
    """Seconds of `harness report` by the clock."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "harness", "report", "synthetic", "--store", store, "--out", str(out)]
    subprocess.run(words, cwd=sys.path[0], check=True, capture_output=True)
    return time.perf_counter() - started


def measure(records: int) -> str:
    """The whole measurement as Markdown."""
    from harness.store import Store
    from reports import processes
    from reports.page.page import write_page
    from reports.report import write_results
    from reports.results import collect

    with tempfile.TemporaryDirectory() as temporary:
        written = fill(Path(temporary) / "store", records)
        # Neither the made-up objects nor the records are this process's any more: it reads as the command does.
        store, out = Store(str(Path(temporary) / "store")), Path(temporary) / "report"
        phases: dict[str, float] = {}
        used = time.process_time()
        manifest = timed(phases, "read the plan", lambda: store.manifest("synthetic"))
        results = timed(phases, "read the records, estimate", lambda: collect(store, manifest))
        timed(phases, "tables and figures", lambda: write_results(results, store, out))
        timed(phases, "page", lambda: write_page(results, store, out))
        used = time.process_time() - used
        command_s = command(store.root, Path(temporary) / "again")
    lines = [
        f"# harness report over {written} records",
        "",
        f"Written by `python benchmarks/report.py --records {records}` on {datetime.date.today().isoformat()}: "
        f"{platform.platform()}, {processes.cores()} cores, load average {os.getloadavg()[0]:.1f}. "
        f"{len(results.cells)} cells in {len(manifest.rows)} rows, up to {SCORES_A_CELL} scores a cell, on a local "
        "disk whose files were just written.",
        "",
        "| | seconds |",
        "| :--- | ---: |",
        *(f"| {name} | {seconds:.1f} |" for name, seconds in phases.items()),
        f"| all | {sum(phases.values()):.1f} |",
        f"| processor time of the process itself | {used:.1f} |",
        f"| `harness report`, from the start of Python to its end | {command_s:.1f} |",
        "",
        f"Its memory at its peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB, of which making "
        "the records took a part. Nothing is kept between two reports: every one reads every record.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=75_000)
    parser.add_argument("--out", type=Path, help="Markdown file to write as well")
    options = parser.parse_args()
    text = measure(options.records)
    print(text, end="")
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
