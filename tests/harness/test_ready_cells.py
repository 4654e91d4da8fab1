"""Which cell comes next: in waves, by row, by length at the end, and only where it may run."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from fake_worker import make_model, make_task

from harness import ready_cells
from harness.durations import Measured
from harness.makespan import RowWork, makespan
from harness.resources import Resources
from harness.schedule import Scheduler
from harness.task import CellTask, ModelSpec

SPECIAL = frozenset({"accelerator_type:H200"})


def suite(prompts: int, costs: list[float], model: str = "m") -> list[CellTask]:
    """Rows of these predicted costs, the first one the original of the others."""
    tasks: list[CellTask] = []
    for row, cost in enumerate(costs):
        for prompt in range(prompts):
            reference = tasks[prompt] if row else None
            name = f"{model}-{row}"
            tasks.append(
                make_task(
                    "ok", row=name, row_index=row, prompt_index=prompt, reference=reference, model=model, cost=cost
                )
            )
    return tasks


def play(
    tasks: list[CellTask],
    workers: int,
    seconds: Callable[[CellTask], float],
    offers: Callable[[int], Resources | None] = lambda number: None,
    measured: dict[str, Measured] | None = None,
) -> tuple[float, list[tuple[str, CellTask]]]:
    """Run under a clock that jumps from one end to the next; the time it took, and who made what in which order."""
    scheduler = Scheduler(tasks, set(), measured=measured)
    now, made = 0.0, []
    idle = [f"w{number}" for number in range(workers)]
    for number, worker in enumerate(idle):
        given = offers(number)
        if given is not None:
            scheduler.joined(worker, given)
    loaded: dict[str, ModelSpec] = {}
    ends: list[tuple[float, str, CellTask]] = []
    while not scheduler.finished:
        waiting = []
        for worker in idle:
            task = scheduler.next_for(worker, loaded.get(worker), now)
            if task is None:
                waiting.append(worker)
                continue
            loaded[worker] = task.model
            made.append((worker, task))
            heapq.heappush(ends, (now + seconds(task), worker, task))
        now, worker, task = heapq.heappop(ends)
        scheduler.succeeded(task.cell_id, seconds(task))
        idle = [*waiting, worker]
    return now, made


def switches(made: list[tuple[str, CellTask]], of: Callable[[CellTask], str]) -> int:
    """How often a worker went over to another row or model."""
    held: dict[str, str] = {}
    count = 0
    for worker, task in made:
        count += held.get(worker) != of(task)
        held[worker] = of(task)
    return count


class TestWaves:
    def test_originals_are_few_ahead_of_what_is_compared_with_them(self, monkeypatch):
        monkeypatch.setattr(ready_cells, "WAVE_PLACES", 8)
        tasks = suite(80, [1.0, 1.0, 1.0])
        _, made = play(tasks, 4, lambda task: 1.0)
        left = Counter(task.reference_cell_id for task in tasks if task.reference_cell_id)
        kept = most = 0
        for _, task in made:
            kept += task.reference_cell_id is None
            if task.reference_cell_id:
                left[task.reference_cell_id] -= 1
                kept -= not left[task.reference_cell_id]
            most = max(most, kept)
        assert most <= 2 * 8

    def test_a_wave_is_finished_by_loading_another_model(self, monkeypatch):
        """Cells of one model may be compared with another's: it must not run ahead for all prompts."""
        monkeypatch.setattr(ready_cells, "WAVE_PLACES", 4)
        originals = suite(40, [1.0], model="a")
        others = [
            make_task("ok", row="b", row_index=1, prompt_index=task.prompt_index, reference=task, model="b")
            for task in originals
        ]
        _, made = play([*originals, *others], 1, lambda task: 1.0)
        place = {task.cell_id: at for at, (_, task) in enumerate(made)}
        distance = [place[other.cell_id] - place[task.cell_id] for task, other in zip(originals, others, strict=True)]
        assert max(distance) <= 4 * 4
        assert switches(made, lambda task: task.model.label) <= 2 * 40 / 4

    def test_a_small_run_is_one_wave_of_originals_first(self):
        _, made = play(suite(10, [1.0, 0.5]), 1, lambda task: 1.0)
        assert [task.row for _, task in made] == ["m-0"] * 10 + ["m-1"] * 10


class TestRows:
    def test_a_worker_stays_on_its_row(self):
        _, made = play(suite(200, [1.0, 0.8, 0.6, 0.4]), 8, lambda task: task.expected_cost)
        assert switches(made, lambda task: task.row) < len(made) / 10

    def test_rows_are_ordered_by_what_they_really_take(self):
        """Equal predictions; the store knows better."""
        tasks = suite(2, [1.0, 1.0, 1.0])
        known = {"m-1m-1": Measured(4, 4.0), "m-2m-2": Measured(4, 80.0), "m-0m-0": Measured(4, 20.0)}
        _, made = play(tasks, 1, lambda task: 1.0, measured=known)
        assert [task.row for _, task in made][2:] == ["m-2"] * 2 + ["m-1"] * 2

    def test_originals_go_first_also_where_others_are_ready(self):
        """As in a run that goes on: what is compared with the first originals waits for nothing any more."""
        tasks = suite(100, [0.1, 1.0])
        scheduler = Scheduler(tasks, {task.cell_id for task in tasks[:50]})
        first = [scheduler.next_for(f"w{number}", None, now=0.0) for number in range(4)]
        assert [task.row for task in first if task] == ["m-0"] * 4

    def test_at_the_end_the_longest_are_begun_first(self):
        """Shared by work alone, one worker would make both long cells, one after the other: 60 s."""
        long = [make_task("ok", row="long", row_index=0, prompt_index=index, cost=30.0) for index in range(2)]
        short = [make_task("ok", row="short", row_index=1, prompt_index=index) for index in range(60)]
        took, _ = play([*short, *long], 3, lambda task: task.expected_cost)
        assert took == 120 / 3

    def test_long_cells_are_not_left_to_the_end(self):
        """A row that looks cheap and is dear, measured as the run goes."""
        seconds = {"m-0": 10.0, "m-1": 2.0, "m-2": 30.0, "m-3": 1.0}
        took, _ = play(suite(64, [1.0, 1.0, 0.1, 1.0]), 16, lambda task: seconds[task.row])
        rows = [RowWork(64, each, 0.0 if row == "m-0" else 10.0) for row, each in seconds.items()]
        assert took <= 1.05 * makespan(rows, 16).lower_s


@pytest.mark.parametrize("seed", range(12))
def test_no_worker_idles_while_a_cell_is_ready(seed, monkeypatch):
    """So the run ends within the bound of greedy schedules, whatever the durations."""
    dice = random.Random(seed)
    monkeypatch.setattr(ready_cells, "WAVE_PLACES", dice.choice([2, 8, 256]))
    tasks = [
        task
        for model in ("a", "b")
        for task in suite(dice.randint(3, 20), [1.0, *(dice.random() for _ in range(3))], model=model)
    ]
    seconds = {task.cell_id: dice.uniform(1, 20) for task in tasks}
    slots = dice.randint(1, 10)
    took, _ = play(tasks, slots, lambda task: seconds[task.cell_id])
    work = [
        RowWork(1, seconds[task.cell_id], seconds[task.reference_cell_id] if task.reference_cell_id else 0.0)
        for task in tasks
    ]
    assert took <= makespan(work, slots).upper_s + 1e-6


class TestMixedFleets:
    def with_demand(self, tasks: list[CellTask], demand: Resources) -> list[CellTask]:
        return [replace(task, model=replace(task.model, resources=demand)) for task in tasks]

    def test_a_cell_runs_only_where_its_model_may(self):
        tasks = self.with_demand(suite(20, [1.0, 1.0]), Resources(labels=SPECIAL))
        tasks += suite(20, [1.0, 1.0], model="any")
        offer = {True: Resources(labels=SPECIAL), False: Resources()}
        _, made = play(tasks, 8, lambda task: 1.0, offers=lambda number: offer[number < 2])
        assert {worker for worker, task in made if task.model.label == "m"} == {"w0", "w1"}

    def test_all_workers_are_used_and_special_work_does_not_straggle(self):
        """Half of the work is special, and so is half of the fleet: nobody has to wait."""
        tasks = suite(40, [1.0, 1.0], model="any")
        tasks += self.with_demand(suite(40, [1.0, 1.0]), Resources(labels=SPECIAL))
        offer = {True: Resources(labels=SPECIAL), False: Resources()}
        took, made = play(tasks, 8, lambda task: 1.0, offers=lambda number: offer[number % 2 == 0])
        assert took == 160 / 8
        assert Counter(worker for worker, _ in made) == {f"w{number}": 20 for number in range(8)}

    def test_what_is_given_is_compared_with_what_is_needed(self):
        offer = Resources(cpus=4, gpus=1.0, memory_bytes=10, labels=SPECIAL)
        assert offer.meets(Resources())
        assert offer.meets(offer)
        for more in (Resources(cpus=5), Resources(gpus=2.0), Resources(memory_bytes=11), Resources(labels={"x"})):  # type: ignore[arg-type]
            assert not offer.meets(more)


def test_a_model_without_any_worker_is_never_given_out() -> None:
    task = replace(make_task("ok"), model=replace(make_model(), resources=Resources(gpus=8.0)))
    scheduler = Scheduler([task], set())
    scheduler.joined("w", Resources(gpus=1.0))
    assert scheduler.next_for("w", None, now=0.0) is None
