"""Suites say published values beside their rows; the tables are where those values are from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.suite import load_suite
from harness.suite_cost import Published
from reports.published.adacache_supplementary import TABLE_A1_LEFT, TABLE_A1_RIGHT
from reports.published.disca import TABLE_4, TABLE_7
from reports.published.mixcache import TABLE_1, TABLE_2, TABLE_3
from reports.published.table import PublishedTable

SUITES = Path(__file__).parents[3] / "suites"
TABLES = {
    "disca_table4": TABLE_4,
    "disca_table7": TABLE_7,
    "mixcache_table1": TABLE_1,
    "mixcache_table2": TABLE_2,
    "mixcache_table3": TABLE_3,
    "adacache_a1_dit": TABLE_A1_LEFT,
    "adacache_a1_cogvideox": TABLE_A1_RIGHT,
}
MEMORY_REFERENCE = "CFG Distilled: 50 steps"


def rows(suite: str) -> Iterator[tuple[str, Published]]:
    """Named rows that have published values, those only stated included."""
    loaded = load_suite(SUITES / f"{suite}.yaml").suite
    for entry in (*loaded.methods, *loaded.planned):
        if entry.published is not None:
            assert entry.name is not None
            yield entry.name, entry.published


def number(table: PublishedTable, row: str, column: str) -> float:
    value = table.value(row, column)
    assert value is not None
    return value.value


def speedup(table: PublishedTable, row: str) -> float:
    """Theoretical where the table has both; of an original that has none printed, 1."""
    name = "flops_speedup" if "flops_speedup" in table.column_names else "speedup"
    return 1.0 if row == table.baseline_of(row) and table.value(row, name) is None else number(table, row, name)


def cache_gb(table: PublishedTable, row: str) -> float:
    """Printed, or the memory over that of the same model without a cache."""
    if "cache_bytes" in table.column_names:
        return number(table, row, "cache_bytes")
    held = number(table, row, "peak_memory_bytes") - number(table, MEMORY_REFERENCE, "peak_memory_bytes")
    return round(held, 2)


@pytest.mark.parametrize("suite", TABLES)
def test_published_values_are_the_tables(suite: str) -> None:
    table = TABLES[suite]
    for row, published in rows(suite):
        if table is TABLE_3 and row == "original":
            assert published.speedup == 1.0  # that table has no such row
            continue
        assert row in table.row_names
        assert published.source.startswith(table.cited.partition(" (")[0])
        if published.speedup is not None:
            assert published.speedup == speedup(table, row)
        if published.flops_tflop is not None:
            assert published.flops_tflop == number(table, row, "flops")
        if published.cache_gb is not None:
            assert published.cache_gb == cache_gb(table, row)


@pytest.mark.parametrize("suite", TABLES)
def test_every_row_of_a_table_is_in_its_suite(suite: str) -> None:
    assert {row for row, _ in rows(suite)} >= {*TABLES[suite].row_names}
