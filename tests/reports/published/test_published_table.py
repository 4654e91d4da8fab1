"""Published tables as data: what a printed text becomes."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError
from reports.columns import SECOND, TERA
from reports.published import adacache, adacache_supplementary, disca, mixcache
from reports.published.table import PublishedBlock, PublishedColumn, PublishedTable
from reports.published.value import Obtained

ALL = disca.TABLES + mixcache.TABLES + adacache.TABLES + adacache_supplementary.TABLES


def made(rows: dict[str, str]) -> PublishedTable:
    columns = (PublishedColumn("latency_s", SECOND), PublishedColumn("speedup"))
    return PublishedTable("Paper", "Table 9", "the paper", "A caption", columns, (PublishedBlock("Block", rows),), "a")


def test_value() -> None:
    value = disca.TABLE_7.value("FORA (N=3)", "flops")
    assert value is not None
    assert (value.cited, value.text, value.unit, value.obtained) == (
        "DisCa Table 7",
        "78910.46",
        TERA,
        Obtained.PRINTED,
    )
    assert value.recorded == pytest.approx(7.891046e16)
    assert value.rounding == pytest.approx(0.005)


def test_change_behind_a_value() -> None:
    value = disca.TABLE_6.value("DisCa (R=0.2, N=4)", "spatial_relationship")
    assert value is not None
    assert (value.value, value.change_percent) == (72.8, 24.4)
    untouched = disca.TABLE_7.value("FORA (N=3)", "flops")
    assert untouched is not None
    assert untouched.change_percent is None


def test_scores_of_the_main_paper_are_second_hand() -> None:
    for table in (disca.TABLE_1, disca.TABLE_2, disca.TABLE_3):
        score = table.value("DisCa (R=0.2, N=4)" if table is not disca.TABLE_1 else "MeanFlow: 20 steps", "total_score")
        assert score is not None
        assert score.obtained is Obtained.SECOND_HAND
        assert "notes" in score.source
    latency = disca.TABLE_2.value("DisCa (R=0.2, N=4)", "latency_s")
    assert latency is not None
    assert (latency.obtained, latency.text) == (Obtained.PRINTED, "97.7")


def test_nothing_where_the_paper_has_nothing() -> None:
    assert disca.TABLE_2.value("CFG Distilled: 10 steps", "total_score") is None
    assert adacache.TABLE_1.value("Latte: Delta-DiT", "speedup") is None


def test_every_table_of_the_papers() -> None:
    assert [table.cited for table in ALL] == [
        *(f"DisCa Table {number}" for number in range(1, 8)),
        *(f"MixCache Table {number}" for number in range(1, 4)),
        "AdaCache Table 1",
        "AdaCache supplementary Table A.1 (left)",
        "AdaCache supplementary Table A.1 (right)",
    ]
    for table in ALL:
        assert all(value.value >= 0 for value in table.values())
        baselines = {table.baseline_of(row) for row in table.row_names}
        assert "" not in baselines


def test_unknown_names_are_refused() -> None:
    with pytest.raises(HarnessError, match="DisCa Table 7 has no row 'FORA'; did you mean"):
        disca.TABLE_7.value("FORA", "flops")
    with pytest.raises(HarnessError, match="no column 'flop'; did you mean 'flops'"):
        disca.TABLE_7.value("FORA (N=3)", "flop")


def test_uneven_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="Paper Table 9: b needs 2 numbers: 3"):
        made({"a": "3 1.00", "b": "3"})


def test_a_row_twice_is_refused() -> None:
    table = made({"a": "3 1.00"})
    with pytest.raises(ValueError, match="twice"):
        PublishedTable("Paper", "Table 9", "", "", table.columns, (*table.blocks, *table.blocks), "a")
