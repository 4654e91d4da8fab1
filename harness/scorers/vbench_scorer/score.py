"""What a scorer finds of one video in one dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .video import Video


@dataclass(frozen=True)
class Score:
    """A video's result on VBench's own scale (imaging quality 0 to 100, all else 0 to 1)."""

    value: float
    frame_values: tuple[float, ...] = ()
    """Per frame or pair of frames, where the dimension is made of those."""


@dataclass(frozen=True)
class Undetected:
    """There is nothing in the video to judge."""

    reason: str


class Scorer(Protocol):
    """Each module of `dimensions` has one of this name; building it loads its models on a device."""

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score | Undetected:
        """Score one video. `auxiliary` is what VBench's list says of its prompt for this dimension."""


def mean_of(frame_values: list[float]) -> Score:
    """The score of a video that is the mean of its frames."""
    return Score(sum(frame_values) / len(frame_values), tuple(frame_values))
