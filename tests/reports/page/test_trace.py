"""Decisions as the strips read them."""

from __future__ import annotations

from reports.page.trace import trace
from tests.reports.page.shown import every_kind


def test_a_branch_has_all_its_calls_in_order() -> None:
    cond, uncond = trace(every_kind())
    assert cond["branch"] == "cond"
    assert cond["steps"] == [0, 1, 2, 3]
    assert cond["actions"] == ["compute", "reuse", "predict", "compute"]
    assert uncond["steps"] == [0, 1, 2, 3, 3]
    assert uncond["actions"] == ["compute", "reuse", "partial", "compute", "reuse"]


def test_levels_and_distances_are_there_where_a_call_has_one() -> None:
    cond, uncond = trace(every_kind())
    assert cond["distances"] == [None, 0.03123, None, None]
    assert "levels" not in cond
    assert uncond["levels"] == [None, None, "block_10", None, None]
    assert "distances" not in uncond


def test_no_decisions() -> None:
    assert trace(()) == []
