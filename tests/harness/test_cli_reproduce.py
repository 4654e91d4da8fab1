"""`harness reproduce`: from a store to the document, checked, and refused in one line."""

from __future__ import annotations

import sys

import pytest

from harness.cli import main
from harness.store import Store
from tests.reports.claims.records import records


@pytest.fixture
def call(monkeypatch, capsys):
    """Exit code, standard output and standard error of one command."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["harness", "reproduce", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_the_document_is_written_and_then_current(call, tmp_path):
    source, store = records(prompts=2), Store(str(tmp_path / "runs"))
    store.write_manifest(source.suite)
    for cell_id, record in source.done.items():
        store.write_cell(record)
        for score in source.scored[cell_id].values():
            store.write_score(score)
    arguments = ("disca", "--store", tmp_path / "runs", "--out", tmp_path / "docs")
    code, _, said = call(*arguments, "--check")
    assert (code, said) == (1, f"error: {tmp_path}/docs/disca.md is out of date; run without --check\n")
    assert call(*arguments)[:2] == (0, f"reproduction: {tmp_path}/docs/disca.md\n")
    assert "## Claims" in (tmp_path / "docs" / "disca.md").read_text()
    assert call(*arguments, "--check")[0] == 0


@pytest.mark.parametrize(
    ("paper", "said"), [("dicsa", "no reproduction of 'dicsa'; did you mean 'disca'?"), ("disca", "shapes_disca")]
)
def test_what_cannot_be_is_one_line(call, tmp_path, paper, said):
    code, _, error = call(paper, "--store", tmp_path / "runs", "--out", tmp_path / "docs")
    assert code == 1
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
