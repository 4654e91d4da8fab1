"""Outcomes for tests, short to write."""

from __future__ import annotations

from harness.vbench.outcomes import Reached, VideoOutcome


def scored(sample_index: int, value: float, *frames: float) -> VideoOutcome:
    return VideoOutcome("a cat", sample_index, Reached.SCORED, value=value, frame_values=frames)


def framewise(sample_index: int, *frames: float) -> VideoOutcome:
    return scored(sample_index, sum(frames) / len(frames), *frames)


def other(sample_index: int, reached: Reached, reason: str) -> VideoOutcome:
    return VideoOutcome("a cat", sample_index, reached, reason)
