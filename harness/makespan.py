"""How long a fleet takes at the least, and how long at the most where no worker ever waits for another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowWork:
    """Cells of one row that are to be made."""

    cells: int
    cell_s: float
    """Of one cell, a mean."""
    reference_cell_s: float = 0.0
    """Of the cell that must be made before one of these; 0 where there is none, or it is there."""


@dataclass(frozen=True, slots=True)
class Makespan:
    """Bounds of the seconds from the first cell's start to the last one's end."""

    work_s: float
    """Of all cells, one after the other."""
    lower_s: float
    upper_s: float


def makespan(rows: Iterable[RowWork], slots: int) -> Makespan:
    """Bounds for `slots` equal workers, without what is between cells (loading, warming up).

    No schedule is shorter than the work shared evenly, nor than the longest cell with what it waits for. One that
    leaves no worker idle while a cell is ready is longer than the even share by at most the longest such chain: every
    moment in which a worker idles, a cell of that chain is being made (R. L. Graham, Bounds on Multiprocessing Timing
    Anomalies, SIAM J. Appl. Math. 17, 1969).
    """
    there = [row for row in rows if row.cells]
    work = sum(row.cells * row.cell_s for row in there)
    chain = max((row.cell_s + row.reference_cell_s for row in there), default=0.0)
    return Makespan(work, max(work / slots, chain), work / slots + chain * (1 - 1 / slots))
