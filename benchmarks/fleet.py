"""How well a fleet is used at the size of VBench, and what its driver costs: 75 520 cells on 64 simulated workers.

The driver, the scheduler, the store and the ledger are the real ones; the workers are simulated under a clock that
jumps from one event to the next, so that a month of 64 GPUs takes minutes. 16 rows of three models take 1 to 20 minutes
a cell, each cell a few percent more or less, now and then half as long again; the driver knows of a row's cost only
its number of steps. Loading a model takes 90 s and each change of rows 2 of 50 steps of the original, as `Resident`
warms up. The bound is that of no loads and no warm-ups at all: the longer of all work shared evenly and the longest
chain of an original and a cell compared with it.

    python benchmarks/fleet.py > docs/measurements/fleet.md
    python benchmarks/fleet.py --verify-plan     # beside it the end that the arithmetic of `harness plan --slots` says
    python benchmarks/fleet.py --ray 4           # only real actors that sleep, for what the simulation leaves out
"""

from __future__ import annotations

import argparse
import datetime
import heapq
import io
import itertools
import os
import platform
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # run as a script, methods.py beside this file would be found as the package `methods`
FAKES = Path(__file__).parent.parent / "tests" / "harness"
sys.path[:0] = [str(FAKES.parent.parent), str(FAKES)]

from fake_worker import WORKER, make_record, make_score, make_task
from rich.console import Console

from harness.driver import Driver
from harness.events import EventKind, FleetEvent
from harness.fleet import run_fleet
from harness.ledger import Ledger
from harness.makespan import Makespan, RowWork, makespan
from harness.pool import Ready, Report, Returned
from harness.progress import Progress
from harness.schedule import RetryPolicy
from harness.store import Store, lossless_path
from harness.task import CellTask, ModelSpec

SLOTS = 64
PROMPTS = 944 * 5
LOAD_S = 90.0
START_S = 25.0
WARM_UP_SHARE = 2 / 50
ORIGINAL_S = {"large": 1200.0, "middle": 600.0, "small": 240.0}
SHARES = {
    "large": (1.0, 0.9, 0.7, 0.55, 0.35, 0.2),
    "middle": (1.0, 0.95, 0.6, 0.5, 0.3, 0.15),
    "small": (1.0, 0.7, 0.5, 0.25),
}
"""Of each model's original, by row: 16 rows from 1 to 20 minutes a cell."""
SPREAD = 0.03
STRAGGLERS = 0.002


def grid(prompts: int, scale: float = 1.0) -> list[CellTask]:
    """The cells in plan order; the true duration stands in the prompt, where the driver does not look."""
    dice = random.Random(0)
    tasks: list[CellTask] = []
    rows = itertools.count()
    for model, shares in SHARES.items():
        originals: list[CellTask] = []
        for number, share in enumerate(shares):
            index = next(rows)
            for prompt in range(prompts):
                seconds = ORIGINAL_S[model] * share * scale * dice.gauss(1.0, SPREAD)
                seconds *= 1.5 if dice.random() < STRAGGLERS else 1.0
                task = make_task(
                    f"sleep {seconds:.3f}",
                    row=f"{model} {number}",
                    row_index=index,
                    prompt_index=prompt,
                    reference=originals[prompt] if number else None,
                    model=model,
                )
                tasks.append(replace(task, drop_reference=True))
                if not number:
                    originals.append(tasks[-1])
    return tasks


def seconds_of(task: CellTask) -> float:
    """What a cell really takes."""
    return float(task.key.prompt.partition(" ")[2])


def bounds(tasks: list[CellTask], slots: int, cell_s: Callable[[CellTask], float] = seconds_of) -> Makespan:
    """Of the makespan, with every cell a row of its own."""
    by_id = {task.cell_id: task for task in tasks}
    return makespan(
        (
            RowWork(1, cell_s(task), cell_s(by_id[task.reference_cell_id]) if task.reference_cell_id else 0.0)
            for task in tasks
        ),
        slots,
    )


@dataclass
class SimulatedPool:
    """Workers under a clock of their own, and what became of their time."""

    store: Store
    now: float = 0.0
    cpu_s: float = 0.0
    """Processor time in here, which is not the driver's."""
    loads: int = 0
    warm_ups: int = 0
    between_s: float = 0.0
    """Loading and warming up, of all workers."""
    first_at: float | None = None
    """When the first cell was given out, in seconds of the real clock."""
    _agenda: list[tuple[float, int, Report]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _loaded: dict[str, ModelSpec] = field(default_factory=dict)
    _rows: dict[str, str] = field(default_factory=dict)

    def start(self, worker: str) -> None:
        """A process that imports what it needs."""
        self._later(START_S, Ready(worker, "simulated"))

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        """Load and warm up where that is needed, make the video, commit it."""
        with self._apart():
            self.first_at = self.first_at or time.perf_counter()
            before = 0.0
            if self._loaded.get(worker) != task.model:
                before, self.loads = LOAD_S, self.loads + 1
                self._rows.pop(worker, None)
            if self._rows.get(worker) != task.row:
                before += WARM_UP_SHARE * ORIGINAL_S[task.model.label]
                self.warm_ups += 1
            self._loaded[worker], self._rows[worker] = task.model, task.row
            self.between_s += before
            end = self.now + before + seconds_of(task)
            record = make_record(task, attempt=attempt).model_copy(update={"started_at": self.now, "finished_at": end})
            self.store.write_cell(record)
            self.store.write_score(make_score(task))
            if task.reference_cell_id is None:
                self.store.replace(lossless_path(task.cell_id), b"frames")
            self._later(end - self.now, Returned(worker, record))

    def kill(self, worker: str) -> None:
        """Silence from now on."""
        self._agenda = [entry for entry in self._agenda if entry[2].worker != worker]
        heapq.heapify(self._agenda)

    def wait(self, timeout_s: float) -> list[Report]:
        """Move the clock to what comes first, however far that is: nothing happens before."""
        if not self._agenda:
            return []
        self.now, _, report = heapq.heappop(self._agenda)
        return [report]

    @contextmanager
    def _apart(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self.cpu_s += time.process_time() - began

    def _later(self, seconds: float, report: Report) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._order), report))


class CountedStore(Store):
    """A store that knows how many lossless copies there are."""

    copies = 0
    most_copies = 0

    def replace(self, path: str, data: bytes) -> None:
        """Count what is written."""
        super().replace(path, data)
        if path.startswith("lossless/"):
            self.copies += 1
            self.most_copies = max(self.copies, self.most_copies)

    def remove(self, path: str) -> None:
        """Count what goes."""
        super().remove(path)
        self.copies -= path.startswith("lossless/")


def rss_mb() -> float:
    """The most this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulate(prompts: int, slots: int, folder: Path) -> tuple[dict[str, str], float, list[CellTask]]:
    """One run and its resumption; the figures by name, the makespan in seconds, and the cells."""
    tasks = grid(prompts)
    store, found = CountedStore(str(folder)), {}
    pool = SimulatedPool(store)
    memory, began, cpu = rss_mb(), time.perf_counter(), time.process_time()
    with Ledger(folder / "ledger.sqlite") as ledger, Progress("fleet", Console(file=io.StringIO())) as progress:

        def on_event(event: FleetEvent) -> None:
            progress(event)
            if event.record is not None and event.kind is EventKind.SUCCEEDED:
                ledger.record_attempt(event.record)

        done = ledger.sync(store, [task.cell_id for task in tasks])
        driver = Driver(
            tasks, done, store, on_event=on_event, policy=RetryPolicy(), cell_timeout_s=None, clock=lambda: pool.now
        )
        driver.announce(slots)
        summary = driver.run(pool, slots)
    assert summary.complete, summary
    assert pool.first_at is not None
    driver_cpu = time.process_time() - cpu - pool.cpu_s
    bound = bounds(tasks, slots)
    took = pool.now - START_S
    found["cells"] = f"{len(tasks)} of {len({task.row for task in tasks})} rows, 3 models"
    found["work"] = f"{bound.work_s / 3600:.0f} h, on {slots} workers at least {bound.lower_s / 86400:.3f} days"
    found["the run took"] = f"{took / 86400:.3f} days"
    found["utilisation: bound / run"] = f"{bound.lower_s / took:.2%}"
    found["loads of a model"] = f"{pool.loads}, {pool.loads / slots:.1f} a worker"
    found["warm-ups of a row"] = f"{pool.warm_ups}, one in {len(tasks) / pool.warm_ups:.0f} cells"
    found["loading and warming up"] = f"{pool.between_s / (took * slots):.2%} of the workers' time"
    found["originals' lossless copies, at most"] = f"{store.most_copies} of {prompts * len(SHARES)}"
    found["driver's processor time a cell"] = f"{1e3 * driver_cpu / len(tasks):.2f} ms"
    found["driver's processor time"] = f"{driver_cpu:.0f} s, {driver_cpu / took:.4%} of the run"
    found["driver's memory, above that of its imports and cells"] = f"{rss_mb() - memory:.0f} MB"
    found["from start to the first cell, without a worker's own start"] = f"{pool.first_at - began:.1f} s"
    return found, took, tasks


def resume(tasks: list[CellTask], folder: Path) -> dict[str, str]:
    """How long it takes to see that all is done: with the ledger, and with a new one."""
    found = {}
    store, ids = Store(str(folder)), [task.cell_id for task in tasks]
    for what, name in (("with its ledger", "ledger.sqlite"), ("with the ledger lost", "another.sqlite")):
        began, cpu = time.perf_counter(), time.process_time()
        with Ledger(folder / name) as ledger:
            done = ledger.sync(store, ids) & ledger.scored(["psnr"])
            driver = Driver(
                tasks, done, store, on_event=lambda event: None, policy=RetryPolicy(), cell_timeout_s=None,
                measured=ledger.measured(),
            )  # fmt: skip
        assert not driver.cells_left
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
        found[f"resumption, all done, {what}"] = f"{took:.1f} s, {cpu:.1f} s of processor time"
    return found


def verify_plan(tasks: list[CellTask], slots: int, took: float) -> dict[str, str]:
    """The plan's end, from what a cell of each row takes on average, beside the simulated one."""
    sums: dict[str, list[float]] = {}
    for task in tasks:
        sums.setdefault(task.row, []).append(seconds_of(task))
    means = {row: sum(seconds) / len(seconds) for row, seconds in sums.items()}
    planned = bounds(tasks, slots, lambda task: means[task.row])
    return {
        "planned end": f"{planned.lower_s / 86400:.3f} to {planned.upper_s / 86400:.3f} days",
        "simulated end over the planned one": f"{took / planned.lower_s - 1:+.2%}",
    }


def real_actors(slots: int, prompts: int) -> dict[str, str]:
    """The same grid, small and short, on Ray."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(FAKES), str(FAKES.parent.parent), os.environ.get("PYTHONPATH", "")])
    tasks = grid(prompts, scale=1 / 400)
    times: list[float] = []

    def on_event(event: FleetEvent) -> None:
        if event.kind in {EventKind.DISPATCHED, EventKind.SUCCEEDED}:
            times.append(event.at)

    with tempfile.TemporaryDirectory() as folder:
        cpu = time.process_time()
        summary = run_fleet(tasks, set(), folder, worker=WORKER, workers=slots, on_event=on_event)
        cpu = time.process_time() - cpu
    assert summary.complete, summary
    bound, took = bounds(tasks, slots), times[-1] - times[0]
    return {
        "actors": f"{slots}, {len(tasks)} cells of {bound.work_s / len(tasks):.2f} s on average",
        "from the first cell's start to the last one's end": f"{took:.1f} s, at least {bound.lower_s:.1f} s",
        "utilisation: bound / run": f"{bound.lower_s / took:.2%}",
        "driver's processor time a cell": f"{1e3 * cpu / len(tasks):.2f} ms",
    }


def table(found: dict[str, str]) -> list[str]:
    """As Markdown."""
    return ["| | |", "| :--- | ---: |", *(f"| {name} | {value} |" for name, value in found.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=PROMPTS, help="prompts x samples, each a cell of all 16 rows")
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument("--verify-plan", action="store_true")
    parser.add_argument("--ray", type=int, metavar="SLOTS", help="instead: so many real actors, and cells of seconds")
    options = parser.parse_args()
    if options.ray is not None:
        title, found = f"# {options.ray} actors of Ray", real_actors(options.ray, min(options.prompts, 12))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            found, took, tasks = simulate(options.prompts, options.slots, Path(temporary))
            found |= resume(tasks, Path(temporary))
        if options.verify_plan:
            found |= verify_plan(tasks, options.slots, took)
        title = f"# A fleet of {options.slots} workers and {len(tasks)} cells"
    print(title)
    print(
        f"\nWritten by `{' '.join(['python benchmarks/fleet.py', *sys.argv[1:]])}` on "
        f"{datetime.date.today().isoformat()}: {platform.platform()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}.\n"
    )
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
