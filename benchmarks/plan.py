"""How long `harness plan` takes by the clock, the first time and every time after.

Timed is the command as it is typed, a process of its own each time. The first plan after a change of the code asks
methods and families, whose modules import torch and diffusers; it leaves their answers in the user's cache, where the
next one finds them. What both print is compared.

    python benchmarks/plan.py --out docs/measurements/plan.md
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Run as a script, methods.py beside this file would be found as the package `methods`.
sys.path[0] = str(ROOT)

from harness.plan import make_plan
from harness.planning.remembered import users_memory
from harness.variant import load_variant
from harness.vbench.package import cache_folder


@dataclass(frozen=True)
class Timed:
    """One run of the command."""

    elapsed_s: float
    processor_s: float
    printed: str


def run(suite: Path, cache: Path) -> Timed:
    """Plan a suite in a fresh process whose user's cache is the folder `cache`."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "plan", str(suite)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    elapsed_s, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(elapsed_s, processor_s, done.stdout)


def row(name: str, runs: list[Timed]) -> str:
    """Median and range of a kind of run."""
    elapsed = [timed.elapsed_s for timed in runs]
    processor_s = statistics.median(timed.processor_s for timed in runs)
    return (
        f"| {name} | {len(runs)} | {statistics.median(elapsed):.2f} | {min(elapsed):.2f} to {max(elapsed):.2f} |"
        f" {processor_s:.2f} |"
    )


def ids_s(suite: Path) -> float:
    """Seconds for the names of all cells, which a run makes and a plan does not print."""
    plan = make_plan(load_variant(suite), users_memory())
    started = time.perf_counter()
    plan.manifest()
    return time.perf_counter() - started


def measure(suite: Path, repeats: int) -> str:
    """The whole measurement as Markdown."""
    first: list[Timed] = []
    again: list[Timed] = []
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary) / cache_folder().name
        cache.mkdir()
        (cache / "vbench").symlink_to(cache_folder() / "vbench")  # VBench's prompts lie there
        run(suite, Path(temporary))  # so that the first plan that counts finds the packages' files in memory as well
        for _ in range(repeats):
            shutil.rmtree(cache / "plans")
            first.append(run(suite, Path(temporary)))
            again += [run(suite, Path(temporary)) for _ in range(2)]
    printed = {timed.printed for timed in first + again}
    if len(printed) != 1:
        raise SystemExit(f"{suite}: the first plan and a later one print different things; run the tests")
    cells = printed.pop().splitlines()[-1]
    lines = [
        f"# harness plan {suite.as_posix()}",
        "",
        f"Written by `python benchmarks/plan.py` on {datetime.date.today().isoformat()}: {platform.platform()},"
        f" {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}. {cells}.",
        "",
        "| | runs | seconds by the clock | from and to | processor time, s |",
        "| :--- | ---: | ---: | ---: | ---: |",
        row("first plan: methods and families are asked", first),
        row("every other plan: their answers are remembered", again),
        "",
        "Medians, each of a process of its own, with the files of Python's packages in the machine's memory. The first"
        " plan is one after the code has changed or the user's cache was emptied. All printed the same. The names of"
        f" all cells, which `harness run` makes and `harness plan` does not, took {ids_s(suite):.1f} s more.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--suite", type=Path, default=Path("suites/vbench_full.yaml"), help="relative to the repository"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="Markdown file to write as well")
    options = parser.parse_args()
    text = measure(options.suite, options.repeats)
    print(text, end="")
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
