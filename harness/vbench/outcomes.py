"""What became of each video that a dimension expects, and the denominators that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.vbench.scores import Withheld


class Reached(StrEnum):
    """How far a video came. Only the last three answer the dimension's question."""

    EXPECTED = "expected"
    """Not generated."""
    GENERATED = "generated"
    """Nothing has decoded its file yet, or could."""
    DECODED = "decoded"
    """Not scored."""
    SCORED = "scored"
    UNDETECTED = "undetected"
    """The scorer found nothing to judge: VBench leaves such a video out of `color`."""
    EXCLUDED = "excluded"
    """Rightly left out, such as a moving video by the filter for temporal flickering."""


@dataclass(frozen=True)
class VideoOutcome:
    """One video in one dimension. `reason` says why there is no value, where there is none."""

    prompt: str
    sample_index: int
    reached: Reached
    reason: str | None = None
    value: float | None = None
    """What VBench writes as the video's result (imaging quality 0 to 100, all else 0 to 1)."""
    frame_values: tuple[float, ...] = ()
    """Per frame or pair of neighbouring frames, of the dimensions whose aggregate is made of those."""
    video_sha256: str | None = None
    """Of the file that was decoded."""

    def __post_init__(self) -> None:
        """A value exactly where the video was scored, a reason exactly where it was not."""
        scored = self.reached is Reached.SCORED
        if scored != (self.value is not None) or scored == (self.reason is not None):
            raise ValueError(f"{self.prompt}-{self.sample_index}: a scored video has a value, any other a reason")


@dataclass(frozen=True)
class DimensionLedger:
    """Counts of one row and dimension, in videos: `expected` of them have come at least as far as each count says."""

    row: str
    dimension: str
    expected: int
    generated: int
    decoded: int
    scored: int
    excluded: Mapping[str, int]
    """By reason, undetected ones included."""
    missing: Mapping[str, int]
    """By reason: not generated, not decodable, or not scored."""

    @property
    def complete(self) -> bool:
        """Whether there is an answer for every expected video."""
        return not self.missing

    @property
    def withheld(self) -> Withheld | None:
        """Why there is no aggregate, None where nothing is missing."""
        if self.complete:
            return None
        said = (f"{count} of {self.expected} videos: {reason}" for reason, count in self.missing.items())
        return Withheld(tuple(said))


def ledger(row: str, dimension: str, outcomes: Sequence[VideoOutcome]) -> DimensionLedger:
    """Count what became of the videos; there is one outcome for each that is expected.

    Raises:
        ValueError: a video is there twice.
    """
    places = Counter((outcome.prompt, outcome.sample_index) for outcome in outcomes)
    twice = [place for place, count in places.items() if count > 1]
    if twice:
        raise ValueError(f"{row}, {dimension}: {twice[0][0]}-{twice[0][1]} is there twice")
    order = tuple(Reached)
    answered = (Reached.SCORED, Reached.UNDETECTED, Reached.EXCLUDED)

    def at_least(stage: Reached) -> int:
        return sum(order.index(outcome.reached) >= order.index(stage) for outcome in outcomes)

    def reasons(*stages: Reached) -> dict[str, int]:
        return dict(Counter(outcome.reason or "" for outcome in outcomes if outcome.reached in stages).most_common())

    return DimensionLedger(
        row=row,
        dimension=dimension,
        expected=len(outcomes),
        generated=at_least(Reached.GENERATED),
        decoded=at_least(Reached.DECODED),
        scored=sum(outcome.reached is Reached.SCORED for outcome in outcomes),
        excluded=reasons(Reached.UNDETECTED, Reached.EXCLUDED),
        missing=reasons(*(stage for stage in order if stage not in answered)),
    )
