"""When a fleet would be through with a suite, from what its rows cost."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cost.price import RowCost
from harness.makespan import Makespan, RowWork, makespan


def fleet_time(costs: Sequence[RowCost], cells_a_row: int, slots: int) -> Makespan:
    """Bounds for `slots` equal devices that make every row with a number of GPU-hours, from nothing.

    It is of denoising alone, as the hours are: loading, warming up, decoding and scoring come to it.
    """
    cell_s = {cost.row: cost.gpu_hours * 3600 / cells_a_row for cost in costs if cost.gpu_hours is not None}
    rows = [
        RowWork(cells_a_row, cell_s[cost.row], cell_s.get(cost.baseline or "", 0.0))
        for cost in costs
        if cost.row in cell_s
    ]
    return makespan(rows, slots)


def said(found: Makespan, slots: int) -> str:
    """For people, in one line."""
    lower, upper = _span(found.lower_s), _span(found.upper_s)
    span = lower if lower == upper else f"{lower} to {upper}"
    return f"{span} on {slots} devices, from nothing; loading, warming up, decoding and scoring come to it"


def _span(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
