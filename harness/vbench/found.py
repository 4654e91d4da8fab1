"""What a scorer says about a video, and what a scorer is to the harness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Found:
    """One dimension's answer; fields as in `harness.records.DimensionScoreRecord`."""

    status: Literal["ok", "undetected", "failed"]
    reason: str | None = None
    value: float | None = None
    frame_values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What was found of one file, by dimension."""

    video_sha256: str
    found: Mapping[str, Found]


class VideoScorer(Protocol):
    """Holds the models of some dimensions, and scores one video after the other."""

    versions: Mapping[str, str]
    """Of the packages it scores with."""
    unavailable: Mapping[str, str]
    """Dimensions whose models could not be loaded, and why."""

    def score(self, video: Path, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """Score a file for some of its dimensions; `wanted` is what VBench's list says of the prompt for each.

        Raises:
            ScorerLostError: the scorer is gone, and must be replaced.
            VBenchError: the file cannot be read.
        """

    def close(self) -> None:
        """Let go of the models."""
