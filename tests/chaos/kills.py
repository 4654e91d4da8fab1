"""What is killed, and when: a schedule that follows from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Victim(StrEnum):
    """What SIGKILL hits."""

    WORKER = "worker"
    NODE = "node"
    DRIVER = "driver"
    HEAD = "head"
    """The machine with Ray's head and the driver on it; the cluster that follows it is of another size."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill, due when so many cells are in the store."""

    after_cells: int
    victim: Victim
    dice: random.Random
    """For the choice among several."""


def schedule(seed: int, cells: int, counts: Mapping[Victim, int]) -> list[Kill]:
    """So many kills of each kind, spread over the first nine tenths of the run; equal seeds give equal schedules."""
    dice = random.Random(seed)
    return sorted(
        (
            Kill(dice.randint(1, cells * 9 // 10), victim, random.Random(dice.random()))
            for victim in Victim
            for _ in range(counts.get(victim, 0))
        ),
        key=lambda kill: kill.after_cells,
    )
