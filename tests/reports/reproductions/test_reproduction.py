"""The generated document: golden file, notes spliced in or refused, and what `--check` sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ReportError
from reports.reproductions import load, write_reproduction
from reports.results import collect
from tests.reports.claims.records import results
from tests.reports.regenerate import GOLDEN, REPRODUCTION, REPRODUCTION_NOTES, reproduced


@pytest.fixture(scope="module")
def records():
    source = reproduced()
    return collect(source, source.suite)


def folder_with_notes(tmp_path: Path, notes: str = REPRODUCTION_NOTES) -> Path:
    (tmp_path / "disca_notes.yaml").write_text(notes)
    return tmp_path


def test_golden(records, tmp_path):
    """`python -m tests.reports.regenerate` accepts a change; read the difference first."""
    folder = folder_with_notes(tmp_path)
    write_reproduction("disca", records, folder)
    assert (folder / "disca.md").read_text() == (GOLDEN / REPRODUCTION).read_text()


def test_check_writes_nothing_and_tells_whether_it_is_current(records, tmp_path):
    folder = folder_with_notes(tmp_path)
    assert not write_reproduction("disca", records, folder, check=True)
    assert not (folder / "disca.md").exists()
    assert not write_reproduction("disca", records, folder)
    assert write_reproduction("disca", records, folder, check=True)
    (folder / "disca.md").write_text("edited by hand")
    assert not write_reproduction("disca", records, folder, check=True)


def test_a_note_on_a_claim_that_now_holds_is_refused(tmp_path):
    with pytest.raises(ReportError, match=r"disca_notes\.yaml: claims\.b: .* it does; remove it"):
        write_reproduction("disca", results(), folder_with_notes(tmp_path))
    assert not (tmp_path / "disca.md").exists()


def test_an_unknown_paper_is_refused():
    with pytest.raises(ReportError, match="no reproduction of 'dicsa'; did you mean 'disca'"):
        load("dicsa")
