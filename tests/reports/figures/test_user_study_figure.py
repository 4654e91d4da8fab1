"""Bars of votes beside strengths."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import figures
from reports.figures import user_study
from reports.figures.user_study import draw
from reports.report import write_report
from reports.results import collect
from tests.reports.study.votes import by_strength
from tests.reports.synthetic import synthetic


def test_one_figure_a_model_and_none_without_votes(tmp_path: Path) -> None:
    source = synthetic(prompts=3, samples=1)
    assert draw(collect(source, source.suite), source, tmp_path) == []
    source.voted = by_strength(source.suite, lambda row: 0.1 * len(row))
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path == tmp_path / "user_study.svg"
    assert drawn.path.read_bytes().startswith(b"<?xml")


def test_the_report_has_the_section_only_where_people_voted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other figures are not drawn for it."""
    monkeypatch.setattr(figures, "discover", lambda: {"user_study": user_study})
    source = synthetic(prompts=3, samples=1)
    assert "User study" not in write_report(source, source.suite, tmp_path).markdown
    source.voted = by_strength(source.suite, lambda row: 0.1 * len(row))
    markdown = write_report(source, source.suite, tmp_path).markdown
    assert "## User study\n" in markdown
    assert "(figures/user_study.svg)" in markdown
