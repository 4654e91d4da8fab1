"""`harness report --table` and its kin as people and CI use them."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store
from tests.reports.paper_suite import paper_suite

SUITES = Path(__file__).parents[2] / "suites"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The suite `paper` with its records, and no video files."""
    source = paper_suite()
    store = Store(str(tmp_path / "runs"))
    store.write_manifest(source.suite)
    for record in source.done.values():
        store.write_cell(record)
    return store


@pytest.fixture
def report(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output and standard error of `harness report` on the store."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "report", *arguments, "--store", store.root])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_one_table_on_standard_output(report: Run) -> None:
    code, out, _ = report("paper", "--table", "disca_table7")
    assert code == 0
    assert out.startswith("Published: Theoretical and actual acceleration")
    assert "| PAB (N=5) | ours |" in out


def test_one_table_as_csv(report: Run) -> None:
    code, out, _ = report("paper", "--table", "disca_table7", "--format", "csv")
    assert code == 0
    lines = list(csv.DictReader(io.StringIO(out)))
    assert {line["Values"] for line in lines} == {"ours", "paper", "difference"}


def test_every_table_of_the_report_in_a_file_of_its_own(report: Run, store: Store) -> None:
    code, out, _ = report("paper", "--format", "latex")
    folder = Path(store.root) / "reports" / "paper" / "tables"
    assert code == 0
    assert (folder / "disca_table7.tex").read_text(encoding="utf-8").startswith("% \\usepackage{booktabs,graphicx}")
    assert {line.removeprefix("table: ") for line in out.splitlines()} == {str(path) for path in folder.iterdir()}


def test_a_document_in_ci(report: Run, tmp_path: Path) -> None:
    """Out of date, brought up to date, up to date."""
    document = tmp_path / "ours.md"
    document.write_text("# Ours\n\n<!-- table disca_table7 of paper -->\n<!-- end of table -->\n", encoding="utf-8")

    code, _, err = report("paper", "--into", str(document), "--check")
    assert (code, err) == (1, f"error: {document}: tables of paper are out of date; run without --check\n")
    assert report("paper", "--into", str(document))[:2] == (0, f"{document}: brought up to date\n")
    assert "| PAB (N=5) | ours |" in document.read_text(encoding="utf-8")
    assert report("paper", "--into", str(document), "--check")[:2] == (0, f"{document}: was up to date\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--table", "disca_tabl7"), "unknown table 'disca_tabl7'; did you mean 'disca_table7'?"),
        (("--format", "latx"), "unknown format 'latx'; did you mean 'latex'?"),
        (("--check",), "--check is for --into; add it"),
        (("--into", "a.md", "--table", "disca_table7"), "leave out --table, --format and --out"),
        (("--into", "none.md"), "none.md: cannot be used (No such file or directory)"),
    ],
)
def test_mistakes_are_one_line(report: Run, arguments: tuple[str, ...], expected: str) -> None:
    code, out, err = report("paper", *arguments)
    assert (code, out) == (1, "")
    assert expected in err
    assert len(err.splitlines()) == 1


def test_a_suite_that_was_never_run_shows_what_is_published(report: Run) -> None:
    code, out, err = report(str(SUITES / "mixcache_table3.yaml"), "--table", "mixcache_table3")
    assert code == 0, err
    assert "| blocks (20) ¹ | paper | 0.093 |" in out
    assert "¹ Not generated yet." in out
