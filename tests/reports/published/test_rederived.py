"""What follows from published values, against what is published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.published import disca, mixcache
from reports.published.rederived import Derivation, derivations, with_speedups
from reports.published.table import PublishedBlock, PublishedColumn, PublishedTable
from reports.published.value import Obtained
from tests.reports.published.test_published_table import ALL, made


def by_place(table: PublishedTable) -> dict[tuple[str, str], Derivation]:
    return {(found.row, found.column): found for found in derivations(table)}


def test_speedup_from_latency() -> None:
    """80 s may be anything from 79.5 to 80.5, and 30 s from 29.5 to 30.5."""
    found = by_place(made({"a": "80 1.00", "b": "30 2.67"}))["b", "speedup"]
    assert (found.range.low, found.range.high) == pytest.approx((79.5 / 30.5, 80.5 / 29.5))
    assert found.agrees


@pytest.mark.parametrize(("printed", "agrees"), [("2.60", False), ("2.61", True), ("2.73", True), ("2.74", False)])
def test_rounding_decides(printed: str, agrees: bool) -> None:
    assert by_place(made({"a": "80 1.00", "b": f"30 {printed}"}))["b", "speedup"].agrees is agrees


def test_a_row_is_as_fast_as_itself() -> None:
    table = made({"a": "80 1.01"})
    assert not by_place(table)["a", "speedup"].agrees


def test_total_score() -> None:
    found = by_place(disca.TABLE_2)["Delta-DiT (N=8)", "total_score"]
    assert found.range.value == pytest.approx((4 * 70.9 + 42.7) / 5)
    assert found.range.high - found.range.value == pytest.approx(0.05)


def test_semantic_score_is_of_normalised_dimensions() -> None:
    """DisCa prints 73.5 for the original, whose raw dimensions have a mean of 56.1."""
    found = by_place(disca.TABLE_6)
    assert found["Original: 50 steps", "semantic_score"].range.value == pytest.approx(73.545, abs=0.001)
    assert found["Original: 50 steps", "semantic_score"].agrees
    assert found["DisCa (R=0.2, N=4)", "semantic_score"].range.value == pytest.approx(69.579, abs=0.001)


def test_changes_are_of_the_row_named() -> None:
    found = by_place(disca.TABLE_1)["Restricted MeanFlow: 10 steps", "semantic_score change"]
    assert found.range.value == pytest.approx(100 * (68.2 / 60.9 - 1))
    assert found.agrees


def test_every_table_is_looked_at() -> None:
    """A derivation that finds nothing would find no contradiction either."""
    counts = {table.cited: len(by_place(table)) for table in ALL}
    assert counts["DisCa Table 7"] == 3 * 21
    assert counts["MixCache Table 1"] == 28 - 4
    assert counts["AdaCache Table 1"] == 24 - 3
    # Tables 4 and 5 of DisCa and 3 of MixCache say nothing twice.
    silent = {"DisCa Table 4", "DisCa Table 5", "MixCache Table 3"}
    assert {name for name, count in counts.items() if not count} == silent


def test_flops_of_disca_are_two_numbers() -> None:
    """N = 4, 3, 2 run 8, 11, 13 whole steps and 12, 9, 7 predictions (supplementary material, 8.4): one price each."""
    whole = 394552.32 / 100
    predicted = set()
    for interval, steps in {4: (8, 12), 3: (11, 9), 2: (13, 7)}.items():
        value = disca.TABLE_7.value(f"DisCa (R=0.2, N={interval})", "flops")
        assert value is not None
        predicted.add(round((value.value - steps[0] * whole) / steps[1], 1))
    assert predicted == {135.4}


def test_speedups_that_a_table_does_not_print() -> None:
    value = mixcache.TABLE_3.value("blocks (20)", "speedup")
    assert value is not None
    assert (value.text, value.obtained) == ("1.86", Obtained.RE_DERIVED)
    assert value.source == "the original's latency in MixCache Table 2 over the row's"
    own = disca.TABLE_4.value("HunyuanVideo 1.5 [I2V]", "speedup")
    assert own is not None
    assert own.text == "1.00"


def test_no_speedup_without_a_latency() -> None:
    columns = (PublishedColumn("latency_s"),)
    table = PublishedTable("Paper", "T", "", "", columns, (PublishedBlock("", {"a": "8.0", "b": "-"}),), "a")
    assert with_speedups(table).value("b", "speedup") is None
    assert with_speedups(replace(table, baseline="none")).value("a", "speedup") is None


def test_no_derivation_without_its_ingredients() -> None:
    columns = (PublishedColumn("speedup"), PublishedColumn("total_score"))
    table = PublishedTable("Paper", "T", "", "", columns, (PublishedBlock("", {"a": "1.0 80.0"}),), "a")
    assert list(derivations(table)) == []
