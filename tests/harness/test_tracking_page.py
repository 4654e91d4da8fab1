"""The page among a run's artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import tracking_page
from harness.tracking_page import RUN_MARK, fill_page
from reports.page.page import PAGE_FILE, PAGE_FOLDER, write_page
from reports.results import collect
from tests.reports.synthetic import synthetic


@pytest.fixture
def report(tmp_path: Path) -> Path:
    source = synthetic(prompts=2, samples=1, videos=True)
    write_page(collect(source, source.suite), source, tmp_path / "report")
    return tmp_path / "report"


def test_both_sides_agree_on_names() -> None:
    """Two rooms that may not import each other."""
    assert (PAGE_FILE, PAGE_FOLDER) == (tracking_page.PAGE_FILE, tracking_page.PAGE_FOLDER)


def test_the_page_knows_its_run_and_is_whole(report: Path, tmp_path: Path) -> None:
    fill_page(tmp_path / "artifacts", report, "4711")
    page = tmp_path / "artifacts" / PAGE_FILE
    assert page.read_text(encoding="utf-8").count(RUN_MARK.format("4711")) == 1
    files = {path.relative_to(report) for path in report.rglob("*") if path.is_file()}
    assert {path.relative_to(page.parent) for path in page.parent.rglob("*") if path.is_file()} == files


def test_videos_beyond_the_limit_stay_out_last_prompts_first(
    report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {path.name: path.stat().st_size for path in (report / PAGE_FOLDER / "videos").iterdir()}
    first = sorted(sizes)[:7]
    monkeypatch.setattr(tracking_page, "VIDEO_BYTES", sum(sizes[name] for name in first))
    fill_page(tmp_path / "artifacts", report, "4711")
    there = sorted(path.name for path in (tmp_path / "artifacts" / PAGE_FOLDER / "videos").iterdir())
    assert there == first
    assert all(name.startswith("00000-") for name in there)


def test_a_report_without_a_page(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    fill_page(tmp_path / "artifacts", tmp_path / "report", "4711")
    assert not (tmp_path / "artifacts").exists()
