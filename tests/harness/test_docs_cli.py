"""`harness archive` and `harness docs` as people and CI use them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from tests.harness.test_archive import stored
from tests.reports.synthetic import synthetic

Said = tuple[int, str, str]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Exit code, standard output and standard error."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        said = capsys.readouterr()
        return int(exit_.value.code or 0), said.out, said.err

    return run


def test_from_a_store_to_documents_that_are_checked(harness: Callable[..., Said], tmp_path: Path) -> None:
    """Of a suite that never ran, so that little is drawn."""
    source = synthetic(prompts=1)
    source.done.clear()
    source.scored.clear()
    stored(source, tmp_path / "store")
    out, records = tmp_path / "docs", tmp_path / "docs" / "records"
    code, said, _ = harness("archive", "synthetic", "--store", tmp_path / "store", "--out", records)
    assert code == 0
    assert said.startswith(f"archive: {records / 'synthetic.tar.xz'} (")
    where = ("docs", "--out", out, "--calibrations", tmp_path)
    code, _, error = harness(*where, "--check")
    assert code == 1
    assert f"error: {out / 'figures' / 'synthetic' / 'README.md'} is out of date; run without --check\n" in error
    code, said, written = harness(*where)
    assert (code, said) == (0, f"{out}: {len(error.splitlines())} files brought up to date\n")
    assert "error" not in written
    assert harness(*where, "--check") == (0, f"{out}: up to date\n", "")


def test_without_records_the_remedy_is_named(harness: Callable[..., Said], tmp_path: Path) -> None:
    code, _, error = harness("docs", "--out", tmp_path, "--calibrations", tmp_path)
    assert code == 1
    assert "harness archive SUITE" in error
