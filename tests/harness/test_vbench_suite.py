"""VBench's prompts in a suite: their number, their names, what models are told, and what reports learn of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import SuiteError
from harness.plan import Plan, make_plan
from harness.suite import load_suite
from harness.variant import only_first_prompts
from harness.vbench import package
from harness.vbench.names import video_name
from harness.vbench.package import INSTALL, wheel_path
from tests.harness.vbench.small_wheel import write_wheel

SUITE = """\
models:
  slow: {family: wan, model: "tiny:some/hub"}
  fast: {family: wan, model: "tiny:some/hub@seed1", fps: 24}
prompts: {vbench: {dimensions: all}}
samples: 2
methods: [{method: original}]
"""
FULL = Path(__file__).parents[2] / "suites" / "vbench_full.yaml"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return tmp_path / "small.yaml"


@pytest.fixture
def planned(suite: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Plan]:
    """The plan of a suite on the small wheel's four prompts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(suite.parent / "cache"))
    monkeypatch.setattr(package, "WHEEL_SHA256", write_wheel(wheel_path()))

    def make(text: str) -> Plan:
        suite.write_text(text)
        return make_plan(load_suite(suite))

    return make


def test_each_prompt_has_the_suites_samples_under_vbenchs_names(planned: Callable[[str], Plan]) -> None:
    plan = planned(SUITE)
    names = [Path(task.video).name for task in plan.tasks() if task.row.startswith("slow")]
    assert names == [video_name(prompt, sample) for prompt in plan.loaded.prompts for sample in range(2)]
    assert plan.cells == 2 * 4 * 2


def test_a_models_fps_is_its_own_else_the_suites(planned: Callable[[str], Plan]) -> None:
    assert {(task.model.label, task.fps) for task in planned(SUITE).tasks()} == {("slow", 16.0), ("fast", 24.0)}


def test_only_prompts_for_flickering_have_more_samples(planned: Callable[[str], Plan]) -> None:
    plan = planned(SUITE.replace("all", "all, flickering_samples: 25"))
    assert plan.cells_a_row == 3 * 2 + 25
    manifest = plan.manifest()
    assert (manifest.samples, manifest.prompt_samples) == (25, (2, 25, 2, 2))
    assert manifest.first_cells() == [0, 2, 27, 29]
    assert manifest.places() == list(plan.places())
    assert manifest.places()[26:28] == [(1, 24), (2, 0)]
    assert [len(row.cell_ids) for row in manifest.rows] == [31, 31]
    assert [task.cell_id for task in plan.tasks()] == [cell for row in manifest.rows for cell in row.cell_ids]


def test_where_all_are_equal_the_manifest_says_so_once(planned: Callable[[str], Plan]) -> None:
    manifest = planned(SUITE).manifest()
    assert (manifest.samples, manifest.prompt_samples) == (2, ())
    assert manifest.prompt_dimensions[2] == ("appearance_style", "overall_consistency", "aesthetic_quality")


def test_an_extension_is_told_and_never_named(planned: Callable[[str], Plan], suite: Path) -> None:
    plain = planned(SUITE)
    (suite.parent / "extended.json").write_text(json.dumps({prompt: f"{prompt}!" for prompt in plain.loaded.prompts}))
    plan = planned(SUITE.replace("all", "all, extended: extended.json"))
    for told, asked in zip(plan.tasks(), plain.tasks(), strict=True):
        assert told.key.prompt == f"{asked.key.prompt}!"
        assert (told.video, told.key.seed) == (asked.video, asked.key.seed)
        assert told.cell_id != asked.cell_id
    assert plan.manifest().prompts == plain.manifest().prompts
    assert plan.manifest().suite_hash != plain.manifest().suite_hash


def test_only_some_dimensions(planned: Callable[[str], Plan]) -> None:
    plan = planned(SUITE.replace("all", "[color, temporal_flickering]"))
    assert plan.loaded.prompts == ("a red car", "a still life")


def test_the_first_prompts_have_one_sample_each(planned: Callable[[str], Plan]) -> None:
    loaded = planned(SUITE.replace("all", "all, flickering_samples: 25")).loaded
    assert make_plan(only_first_prompts(loaded, 2)).cells_a_row == 2


def test_a_misspelt_dimension_or_key_is_answered_with_the_nearest(suite: Path) -> None:
    for wrong, said in (
        ("[colour]", "small.yaml:4: prompts.vbench.dimensions: unknown dimension 'colour'; did you mean 'color'?"),
        (
            "all, flickering: 5",
            "small.yaml:4: prompts.vbench.flickering: unknown key; did you mean 'flickering_samples'?",
        ),
        ("all, extended: 5", "small.yaml:4: prompts.vbench.extended: input should be a valid string, not 5"),
    ):
        suite.write_text(SUITE.replace("all", wrong))
        with pytest.raises(SuiteError) as caught:
            load_suite(suite)
        assert str(caught.value).replace(f"{suite.parent}/", "") == said


def test_without_the_package_planning_says_what_to_run(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(suite.parent / "cache"))
    suite.write_text(SUITE)
    with pytest.raises(SuiteError, match=rf"small\.yaml:4: prompts\.vbench: .*{INSTALL}"):
        load_suite(suite)


@pytest.mark.skipif(not wheel_path().is_file(), reason=f"VBench's wheel is not there: {INSTALL}")
class TestFullSuite:
    def test_has_vbenchs_videos_in_every_row(self) -> None:
        plan = make_plan(load_suite(FULL))
        assert plan.cells_a_row == 4720
        assert {row.model.label for row in plan.rows} == {"wan_480p", "wan_720p", "original", "distilled"}
        assert plan.cells > 75_000

    def test_is_planned_in_a_blink_once_torch_is_there(self) -> None:
        loaded = load_suite(FULL)
        make_plan(loaded)
        started = time.process_time()
        assert make_plan(loaded).cells
        assert time.process_time() - started < 1.5
