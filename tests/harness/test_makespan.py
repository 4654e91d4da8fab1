"""Bounds that every greedy schedule keeps."""

from __future__ import annotations

import random

import pytest

from harness.makespan import RowWork, makespan


def test_the_even_share_or_the_longest_chain() -> None:
    even = makespan([RowWork(cells=100, cell_s=10.0)], slots=10)
    assert (even.work_s, even.lower_s) == (1000.0, 100.0)
    chain = makespan([RowWork(1, 60.0), RowWork(1, 30.0, reference_cell_s=60.0)], slots=10)
    assert chain.lower_s == 90.0


def test_one_worker_takes_exactly_the_work() -> None:
    found = makespan([RowWork(3, 7.0), RowWork(3, 2.0, reference_cell_s=7.0)], slots=1)
    assert found.lower_s == found.upper_s == 27.0


def test_rows_without_cells_make_no_chain() -> None:
    assert makespan([RowWork(0, 50.0), RowWork(2, 5.0)], slots=2).lower_s == 5.0
    assert makespan([], slots=2).upper_s == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_a_greedy_schedule_lies_between(seed: int) -> None:
    dice = random.Random(seed)
    slots = dice.randint(1, 8)
    originals = [dice.uniform(1, 20) for _ in range(dice.randint(1, 12))]
    others = [dice.uniform(1, 20) for _ in originals]
    free = [0.0] * slots
    ends: dict[int, float] = {}
    for number, seconds in enumerate(originals):
        worker = free.index(min(free))
        ends[number] = free[worker] = free[worker] + seconds
    left = set(range(len(others)))
    while left:
        # Nobody idles while a cell is ready: the first free worker takes the cell that is ready first.
        number = min(left, key=lambda number: (ends[number], number))
        worker = free.index(min(free))
        free[worker] = max(free[worker], ends[number]) + others[number]
        left.remove(number)
    rows = [RowWork(1, seconds) for seconds in originals]
    rows += [RowWork(1, other, original) for original, other in zip(originals, others, strict=True)]
    bound = makespan(rows, slots)
    assert bound.lower_s <= max(free) + 1e-9
    assert max(free) <= bound.upper_s + 1e-9
