"""Scoring with VBench as a run and `harness score` call it: what was done and what not goes to standard error."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.suite import load_suite
from harness.vbench_cli import score_vbench
from tests.harness.vbench.staged import finished

SUITE = """\
models: {tiny: {family: wan, model: "tiny:some/hub"}}
prompts: [a red car, a still life]
methods: [{method: original}]
vbench: {dimensions: [temporal_flickering, motion_smoothness]}
"""


def test_it_says_what_is_scored_what_failed_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "VBENCH_CACHE_DIR", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "small.yaml").write_text(SUITE)
    store, planned = finished(tmp_path / "store")
    # Prompts of one's own, five samples of the first and seven of the second; no file holds a video.
    asked = planned.model_copy(
        update={"prompt_dimensions": (), "vbench_dimensions": ("temporal_flickering", "motion_smoothness")}
    )
    assert not score_vbench(store, load_suite(tmp_path / "small.yaml"), asked)
    said = capsys.readouterr().err
    assert "vbench motion_smoothness: AMT-S is missing; vbench 0.1.5 is missing" in said
    assert "vbench: 0 scores made, 0 were there, 12 failed" in said
    records = store.dimension_scores(asked.rows[0].cell_ids)
    assert {record["temporal_flickering"].status for record in records.values()} == {"failed"}


def test_a_suite_that_does_not_ask_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text(SUITE.replace("vbench:", "# vbench:"))
    store, planned = finished(tmp_path / "store")
    assert score_vbench(store, load_suite(tmp_path / "small.yaml"), planned)
    assert capsys.readouterr().err == ""
