"""VBench's arithmetic: its own leaderboard row again, and never a number out of less than all sixteen dimensions."""

from __future__ import annotations

import math

import pytest

from harness.dimensions import QUALITY, SEMANTIC
from harness.vbench.normalization import BOUNDS, WEIGHTS, normalized
from harness.vbench.scores import VBenchScores, Withheld, vbench_scores

# HunyuanVideo on VBench's leaderboard, whose scores are 85.09, 75.82 and 83.24 %.
HUNYUAN_VIDEO = {
    "subject_consistency": 97.37,
    "background_consistency": 97.76,
    "temporal_flickering": 99.44,
    "motion_smoothness": 98.99,
    "dynamic_degree": 70.83,
    "aesthetic_quality": 60.36,
    "imaging_quality": 67.56,
    "object_class": 86.10,
    "multiple_objects": 68.55,
    "human_action": 94.40,
    "color": 91.60,
    "spatial_relationship": 68.68,
    "scene": 53.88,
    "appearance_style": 19.80,
    "temporal_style": 23.89,
    "overall_consistency": 26.44,
}
RAW = {name: value / 100 for name, value in HUNYUAN_VIDEO.items()}


def numbers(scores: VBenchScores) -> tuple[float, float, float]:
    assert isinstance(scores.quality, float)
    assert isinstance(scores.semantic, float)
    assert isinstance(scores.total, float)
    return scores.quality, scores.semantic, scores.total


def test_the_leaderboards_row_of_hunyuan_video() -> None:
    assert tuple(f"{100 * score:.2f}" for score in numbers(vbench_scores(RAW))) == ("85.09", "75.82", "83.24")


def test_every_dimension_has_bounds_and_a_weight() -> None:
    assert set(BOUNDS) == set(WEIGHTS) == {*QUALITY, *SEMANTIC}
    assert sum(WEIGHTS[name] for name in QUALITY) == 6.5


def test_bounds_become_0_and_1_and_nothing_is_clipped() -> None:
    for name, bounds in BOUNDS.items():
        assert (normalized(name, bounds.low), normalized(name, bounds.high)) == (0.0, 1.0)
    assert normalized("scene", 1.0) > 1
    assert normalized("motion_smoothness", 0.5) < 0


def test_dynamic_degree_counts_half() -> None:
    moved = vbench_scores(RAW | {"dynamic_degree": RAW["dynamic_degree"] + 0.13})
    assert numbers(moved)[0] - numbers(vbench_scores(RAW))[0] == pytest.approx(0.5 * 0.13 / 6.5)


def test_a_missing_dimension_withholds_its_half_and_the_total() -> None:
    without = {name: value for name, value in RAW.items() if name != "scene"}
    scores = vbench_scores(without)
    assert scores.quality == vbench_scores(RAW).quality
    assert scores.semantic == scores.total == Withheld(("scene is missing",))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_missing(value: float) -> None:
    assert vbench_scores(RAW | {"scene": value}).total == Withheld((f"scene is {value}",))


def test_why_a_dimension_is_withheld_is_said_of_the_scores() -> None:
    half = Withheld(("3 of 430 videos: not generated",))
    scores = vbench_scores(RAW | {"scene": half, "dynamic_degree": half})
    assert str(scores.total) == (
        "withheld: dynamic_degree: 3 of 430 videos: not generated; scene: 3 of 430 videos: not generated"
    )
    assert scores.quality == Withheld(("dynamic_degree: 3 of 430 videos: not generated",))


def test_a_misspelt_dimension_is_no_missing_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'scene'"):
        vbench_scores(RAW | {"scenes": 0.5})
