"""Tables on their own: golden files in every format, and a file for each table of a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, StoreError
from reports.export import check_names, table_text, write_tables
from reports.results import collect
from tests.reports.paper_suite import paper_suite
from tests.reports.regenerate import FORMATS, GOLDEN, PAPER_TABLE
from tests.reports.synthetic import synthetic


@pytest.mark.parametrize("form", FORMATS)
def test_golden(form: str) -> None:
    """Any change of wording or arithmetic shows up here; `python -m tests.reports.regenerate` accepts it."""
    source = paper_suite()
    golden = GOLDEN / f"{PAPER_TABLE}{FORMATS[form]}"
    assert table_text(collect(source, source.suite), PAPER_TABLE, form) == golden.read_text(encoding="utf-8")


def test_a_file_for_each_table_of_the_report(tmp_path: Path) -> None:
    source = paper_suite()
    written = write_tables(collect(source, source.suite), "latex", tmp_path / "new")
    names = ["efficiency", "semantic_breakdown", "disca_table1", "disca_table2", "disca_table7"]
    assert [path.name for path in written] == [f"{name}.tex" for name in names]
    assert all(path.read_text(encoding="utf-8").endswith("\\end{table*}\n") for path in written)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    source = synthetic(prompts=1, samples=1)
    with pytest.raises(StoreError, match="taken"):
        write_tables(collect(source, source.suite), "csv", tmp_path / "taken")


def test_unknown_names() -> None:
    with pytest.raises(HarnessError, match="unknown format 'latx'; did you mean 'latex'"):
        check_names(None, "latx")
    with pytest.raises(HarnessError, match="unknown table 'efficency'; did you mean 'efficiency'"):
        check_names("efficency", None)
    check_names("efficiency", "csv")


def test_a_table_with_nothing_to_say() -> None:
    source = synthetic(prompts=1, samples=1)
    with pytest.raises(HarnessError, match="table 'user_study' has nothing to show of suite 'synthetic'"):
        table_text(collect(source, source.suite), "user_study", "markdown")
