"""`harness export-vbench` on a finished suite: staged, scored elsewhere, zipped."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.errors import VBenchError
from harness.vbench.staging import scored_names
from harness.vbench.submission import DIMENSIONS, read_submission
from tests.harness.vbench.staged import ROW, finished

runner = CliRunner()


@pytest.fixture
def export(tmp_path: Path):
    finished(tmp_path / "store")

    def call(*arguments: str) -> Result:
        given = ["--store", str(tmp_path / "store"), "--row", ROW, "--out", str(tmp_path / "out")]
        return runner.invoke(app, ["export-vbench", "small", *given, *arguments])

    return call


def test_it_stages_the_videos_and_says_what_to_type(export, tmp_path: Path) -> None:
    ran = export("--dimension", "color")
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert lines[0] == f"5 videos for 1 dimensions: {tmp_path / 'out' / 'videos'}"
    assert [shlex.split(line)[3] for line in lines[1:]] == ["color"]
    assert len(list((tmp_path / "out" / "videos").iterdir())) == 5


def test_without_dimensions_all_that_the_prompts_are_for(export) -> None:
    assert export().stdout.startswith("12 videos for 3 dimensions")


def test_a_dimension_without_prompts_is_refused(export) -> None:
    assert "--dimension scene: the suite has no prompts for it" in str(export("--dimension", "scene").exception)


def test_the_zip_is_written_from_vbenchs_results_only_if_they_are_whole(export, tmp_path: Path) -> None:
    _, planned = finished(tmp_path / "store")
    results = tmp_path / "results"
    results.mkdir()
    content = {
        name: [0.5, [{"video_path": f"/x/{video}", "video_results": 0.5} for video in videos]]
        for name, videos in scored_names(planned).items()
    }
    (results / "a_eval_results.json").write_text(json.dumps(content))

    ran = export("--results", str(results))

    assert ran.exit_code == 0
    assert "total " in ran.stdout
    assert read_submission(tmp_path / "out" / "eval_results.zip") == dict.fromkeys(DIMENSIONS, 0.5)

    del content["scene"]
    (results / "a_eval_results.json").write_text(json.dumps(content))
    (tmp_path / "out" / "eval_results.zip").unlink()
    assert isinstance(export("--results", str(results)).exception, VBenchError)
    assert not (tmp_path / "out" / "eval_results.zip").exists()
