"""The end of a run, from hours that are there already."""

from __future__ import annotations

import pytest
from fake_worker import make_model

from harness.cost.fleet_time import fleet_time, said
from harness.cost.price import RowCost


def row(name: str, hours: float | None, baseline: str | None = None) -> RowCost:
    return RowCost(name, make_model(), 50, baseline, None, gpu_hours=hours)


def test_hours_are_shared_and_a_cell_waits_for_its_original() -> None:
    """Ten cells a row: 1 h each of the original, half of that of the other; the third has no price."""
    costs = [row("original", 10.0), row("fast", 5.0, "original"), row("unknown", None, "original")]
    found = fleet_time(costs, cells_a_row=10, slots=4)
    assert found.work_s == pytest.approx(15 * 3600)
    assert found.lower_s == pytest.approx(15 * 3600 / 4)
    assert found.upper_s == pytest.approx(15 * 3600 / 4 + 1.5 * 3600 * 3 / 4)
    assert fleet_time(costs, cells_a_row=10, slots=100).lower_s == pytest.approx(1.5 * 3600)


def test_it_is_said_in_the_largest_unit_and_once_where_the_bounds_agree() -> None:
    assert said(fleet_time([row("original", 480.0)], 1000, 1), 1).startswith("20.0 days on 1 devices")
    assert said(fleet_time([row("a", 10.0), row("b", 5.0, "a")], 10, 4), 4).startswith("3.8 hours to 4.9 hours on 4")
    assert said(fleet_time([], 10, 4), 4).startswith("0 s on 4")
