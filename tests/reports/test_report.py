"""The whole report: golden files, determinism, and the object behind `report --json`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import StoreError
from reports.dimensions import DIMENSIONS
from reports.figures import discover
from reports.report import json_object, write_report
from reports.results import collect
from tests.reports.regenerate import CASES, GOLDEN
from tests.reports.synthetic import ROWS, synthetic, troubled

NOT_DRAWN = {"user_study", "scaling"}
"""Nobody voted, and all videos have one size."""


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, tmp_path: Path) -> None:
    """Any change of wording or arithmetic shows up here; `python -m tests.reports.regenerate` accepts it."""
    source = CASES[name](videos=True)
    report = write_report(source, source.suite, tmp_path)
    assert report.markdown == (GOLDEN / name).read_text(encoding="utf-8")
    assert report.path.read_text(encoding="utf-8") == report.markdown
    assert {path.stem for path in report.figure_paths} == discover().keys() - NOT_DRAWN
    for path in report.figure_paths:
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert f"(figures/{path.name})" in report.markdown


def test_json_object() -> None:
    """The agreed keys, null where there is no number, and nothing JSON cannot hold."""
    source = troubled()
    rows = json.loads(json.dumps(json_object(collect(source, source.suite)), allow_nan=False))["rows"]
    assert [row["row"] for row in rows] == [row.row for row in source.suite.rows]
    assert list(rows[0]) == [
        "row",
        "latency_s",
        "speedup",
        "flops",
        "nfe",
        "peak_memory_bytes",
        "cache_bytes",
        "psnr",
        "ssim",
        "lpips",
        "semantic_score",
        "quality_score",
        "total_score",
        "dimensions",
    ]
    assert list(rows[0]["dimensions"]) == list(DIMENSIONS)
    assert rows[0]["psnr"] is None
    assert rows[3]["semantic_score"] is None
    assert rows[1]["speedup"] == pytest.approx(1.98, rel=0.05)


def test_no_dashes_that_pretend_to_be_punctuation() -> None:
    """Plain Markdown: hyphens and minus signs only, and no HTML."""
    for name in CASES:
        text = (GOLDEN / name).read_text(encoding="utf-8")
        assert "\N{EM DASH}" not in text
        assert "<" not in text


def test_empty_suite_reports(tmp_path: Path) -> None:
    """Right after planning there is nothing to draw, and the report says so."""
    source = synthetic()
    source.done.clear()
    source.scored.clear()
    report = write_report(source, source.suite, tmp_path)
    assert report.figure_paths == ()
    assert "12 cells not generated yet" in report.markdown


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """One line that names the folder."""
    (tmp_path / "taken").write_text("a file")
    source = synthetic()
    with pytest.raises(StoreError, match="taken"):
        write_report(source, source.suite, tmp_path / "taken")


def test_several_models_are_kept_apart(tmp_path: Path) -> None:
    """Each model has its own table and figures; nothing is ranked or compared across them."""
    source = synthetic(prompts=2, videos=True)
    second = synthetic(
        rows=tuple(replace(spec, name=f"large {spec.name}") for spec in ROWS[:3]), prompts=2, videos=True
    )
    rows = tuple(
        row.model_copy(update={"model_label": "large", "baseline": row.baseline and "large original"})
        for row in second.suite.rows
    )
    source.suite = source.suite.model_copy(update={"rows": source.suite.rows + rows})
    source.done |= second.done
    source.scored |= second.scored
    source.files |= second.files
    report = write_report(source, source.suite, tmp_path)
    assert {path.name for path in report.figure_paths} == {
        f"{figure}-{model}.svg" for figure in discover().keys() - NOT_DRAWN for model in ("shapes", "large")
    } - {"iso_latency-large.svg"}  # with one method there is nothing to compare
    assert report.markdown.count("**large** (32x32, 9 frames, T = 50)") == 1
    assert report.results.estimate("large fewer_steps-10", "speedup").value == pytest.approx(4.9, rel=0.05)
