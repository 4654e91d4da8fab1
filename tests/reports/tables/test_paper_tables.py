"""Tables are found by their files' names."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError
from reports import tables
from reports.results import collect
from tests.reports.paper_suite import paper_suite
from tests.reports.synthetic import synthetic


def test_order() -> None:
    """What every suite has comes first, then the papers' tables."""
    names = list(tables.discover())
    assert names[:6] == ["efficiency", "semantic_breakdown", "image_set", "user_study", "vbench", "devices"]
    assert names[6:] == [
        *(f"disca_table{number}" for number in range(1, 8)),
        *(f"mixcache_table{number}" for number in range(1, 4)),
        "adacache_table1",
        "adacache_a1_dit",
        "adacache_a1_cogvideox",
    ]


def test_a_report_has_the_papers_tables_of_its_rows() -> None:
    quick, paper = synthetic(prompts=1, samples=1), paper_suite()
    of_quick = [name for name, table in tables.discover().items() if table.belongs(collect(quick, quick.suite))]
    of_paper = [name for name, table in tables.discover().items() if table.belongs(collect(paper, paper.suite))]
    assert of_quick == ["efficiency", "semantic_breakdown"]
    assert of_paper == ["efficiency", "semantic_breakdown", "disca_table1", "disca_table2", "disca_table7"]


def test_unknown_table() -> None:
    with pytest.raises(HarnessError, match="unknown table 'disca_tabel7'; did you mean 'disca_table7'"):
        tables.load("disca_tabel7")


def test_every_papers_table_renders_without_a_measured_row() -> None:
    quick = synthetic(prompts=1, samples=1)
    results = collect(quick, quick.suite)
    for name, table in tables.discover().items():
        if not table.belongs(results) and name not in ("devices", "image_set", "user_study", "vbench"):
            sheet = table.sheet(results)
            assert sheet.blocks
            assert "Suite synthetic has no row of this table" in sheet.lead[0]
            assert not any(line.notes for block in sheet.blocks for line in block.lines)
