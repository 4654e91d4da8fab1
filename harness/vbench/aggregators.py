"""From the videos' scores to a dimension's: what VBench prints with one process, with several, and without its gaps.

`vbench-single`       VBench 0.1.5 in one process.
`vbench-multi-as-is`  the same in several (where a module finds `get_world_size() > 1`): subject consistency and spatial
                      relationship are means of videos instead of frames, and appearance style is made of each video's
                      last frame alone (Vchitect/VBench, pull request 207).
`all-expected`        as in one process, but a video in which `color` finds no object counts 0; VBench leaves it out.

None of them counts a video that is not there: the aggregate is withheld.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from harness.errors import nearest
from harness.vbench.normalization import BOUNDS
from harness.vbench.outcomes import Reached, VideoOutcome, ledger
from harness.vbench.scores import Withheld

Rule = Callable[[Sequence[VideoOutcome]], float]
"""From the scored videos of a dimension, in the order of VBench's prompt list, to its raw value."""


def _values(videos: Sequence[VideoOutcome]) -> list[float]:
    return [video.value for video in videos if video.value is not None]


def _numpy_mean(videos: Sequence[VideoOutcome]) -> float:
    return float(np.mean(_values(videos)))


def _running_mean(videos: Sequence[VideoOutcome]) -> float:
    """Equal to `_numpy_mean` but for the last digit: VBench adds some dimensions up one by one."""
    return sum(_values(videos)) / len(videos)


def _percent(videos: Sequence[VideoOutcome]) -> float:
    return _running_mean(videos) / 100.0


def _pooled_sums(videos: Sequence[VideoOutcome]) -> float:
    """Sum of the videos' sums over the number of frames or pairs, so that a longer video counts more."""
    return sum(sum(_frames(video)) for video in videos) / sum(len(video.frame_values) for video in videos)


def _pooled_frames(videos: Sequence[VideoOutcome]) -> float:
    frames = [value for video in videos for value in _frames(video)]
    return sum(frames) / len(frames)


def _numpy_pooled_frames(videos: Sequence[VideoOutcome]) -> float:
    return float(np.mean([value for video in videos for value in _frames(video)]))


def _last_frames(videos: Sequence[VideoOutcome]) -> float:
    return sum(_frames(video)[-1] for video in videos) / len(videos)


def _frames(video: VideoOutcome) -> tuple[float, ...]:
    if not video.frame_values:
        raise ValueError(f"{video.prompt}-{video.sample_index}: its aggregate is made of frames, and none are recorded")
    return video.frame_values


_SINGLE: Final[dict[str, Rule]] = {
    "subject_consistency": _pooled_sums,
    "background_consistency": _pooled_sums,
    "temporal_flickering": _numpy_mean,
    "motion_smoothness": _numpy_mean,
    "dynamic_degree": _numpy_mean,
    "aesthetic_quality": _running_mean,
    "imaging_quality": _percent,
    "object_class": _pooled_sums,
    "multiple_objects": _pooled_sums,
    "human_action": _running_mean,
    "color": _running_mean,
    "spatial_relationship": _numpy_pooled_frames,
    "scene": _pooled_sums,
    "appearance_style": _pooled_frames,
    "temporal_style": _numpy_mean,
    "overall_consistency": _numpy_mean,
}
_MULTI: Final[dict[str, Rule]] = {
    name: _running_mean if rule is _numpy_mean else rule for name, rule in _SINGLE.items()
} | {
    "subject_consistency": _running_mean,
    "spatial_relationship": _running_mean,
    "appearance_style": _last_frames,
}
_RULES: Final = {"vbench-single": _SINGLE, "vbench-multi-as-is": _MULTI, "all-expected": _SINGLE}
AGGREGATORS: Final = tuple(_RULES)
FRAMEWISE: Final = frozenset(
    name for name, rule in _SINGLE.items() if rule in (_pooled_sums, _pooled_frames, _numpy_pooled_frames)
)
"""Dimensions whose videos need `frame_values`."""


def aggregate(aggregator: str, dimension: str, outcomes: Sequence[VideoOutcome]) -> float | Withheld:
    """A dimension's raw value, 0 to 1, from one outcome for each expected video, in the order of VBench's prompt list.

    Raises:
        ValueError: no such aggregator or dimension, a video is there twice, or lacks the frames it is made of.
    """
    if aggregator not in _RULES:
        raise ValueError(f"aggregator is {aggregator!r}{nearest(aggregator, AGGREGATORS)}")
    if dimension not in BOUNDS:
        raise ValueError(f"{dimension!r} is no dimension of VBench{nearest(dimension, BOUNDS)}")
    withheld = ledger("", dimension, outcomes).withheld
    if withheld is not None:
        return withheld
    if aggregator == "all-expected":
        outcomes = [_undetected_as_zero(outcome) for outcome in outcomes]
    scored = [outcome for outcome in outcomes if outcome.reached is Reached.SCORED]
    if not scored:
        return Withheld(("no video has a score",))
    return _RULES[aggregator][dimension](scored)


def _undetected_as_zero(outcome: VideoOutcome) -> VideoOutcome:
    if outcome.reached is not Reached.UNDETECTED:
        return outcome
    return replace(outcome, reached=Reached.SCORED, value=0.0, reason=None)
