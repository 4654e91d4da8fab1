"""Aggregators: by hand, and where VBench's two ways differ."""

from __future__ import annotations

import pytest

from harness.dimensions import QUALITY, SEMANTIC
from harness.vbench.aggregators import AGGREGATORS, FRAMEWISE, aggregate
from harness.vbench.outcomes import Reached, VideoOutcome
from harness.vbench.scores import Withheld
from tests.harness.vbench.outcomes import framewise, other, scored

# A video of four frames or pairs, and one of two: means of frames and of videos differ.
LONG, SHORT = framewise(0, 1.0, 1.0, 1.0, 0.4), framewise(1, 0.2, 0.6)
OF_FRAMES, OF_VIDEOS = (3.4 + 0.8) / 6, (0.85 + 0.4) / 2
UNDETECTED = other(2, Reached.UNDETECTED, "no object found")
MISSING = other(2, Reached.EXPECTED, "not generated")


@pytest.mark.parametrize("dimension", [*QUALITY, *SEMANTIC])
@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_every_dimension_by_hand(aggregator: str, dimension: str) -> None:
    expected = OF_FRAMES if dimension in FRAMEWISE else OF_VIDEOS
    if aggregator == "vbench-multi-as-is":
        changed = {"subject_consistency": OF_VIDEOS, "spatial_relationship": OF_VIDEOS, "appearance_style": 0.5}
        expected = changed.get(dimension, expected)
    if dimension == "imaging_quality":
        expected /= 100
    assert aggregate(aggregator, dimension, [LONG, SHORT]) == pytest.approx(expected)


def test_means_of_frames_are_of_these() -> None:
    assert {
        "subject_consistency",
        "background_consistency",
        "object_class",
        "multiple_objects",
        "scene",
        "spatial_relationship",
        "appearance_style",
    } == FRAMEWISE


def test_a_video_without_an_object_is_left_out_or_counts_zero() -> None:
    videos = [scored(0, 1.0), scored(1, 0.5), UNDETECTED]
    assert aggregate("vbench-single", "color", videos) == 0.75
    assert aggregate("vbench-multi-as-is", "color", videos) == 0.75
    assert aggregate("all-expected", "color", videos) == 0.5


def test_what_a_filter_leaves_out_never_counts_zero() -> None:
    videos = [scored(0, 0.9), other(1, Reached.EXCLUDED, "moves")]
    assert {aggregate(name, "temporal_flickering", videos) for name in AGGREGATORS} == {0.9}


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_a_missing_video_withholds(aggregator: str) -> None:
    found = aggregate(aggregator, "color", [scored(0, 1.0), scored(1, 0.5), MISSING])
    assert found == Withheld(("1 of 3 videos: not generated",))


def test_without_any_score_there_is_no_mean() -> None:
    assert aggregate("vbench-single", "color", [UNDETECTED]) == Withheld(("no video has a score",))
    assert aggregate("all-expected", "color", [UNDETECTED]) == 0.0


def test_a_frame_mean_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="none are recorded"):
        aggregate("vbench-single", "scene", [scored(0, 0.5)])


@pytest.mark.parametrize(
    ("aggregator", "dimension", "hint"),
    [("vbench-singel", "scene", "'vbench-single'"), ("vbench-single", "scenery", "'scene'")],
)
def test_unknown_names_are_answered_with_the_nearest(aggregator: str, dimension: str, hint: str) -> None:
    videos: list[VideoOutcome] = [scored(0, 0.5)]
    with pytest.raises(ValueError, match=hint):
        aggregate(aggregator, dimension, videos)
