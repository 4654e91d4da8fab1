"""Denominators: every expected video is counted once, under what became of it."""

from __future__ import annotations

import pytest

from harness.vbench.outcomes import Reached, VideoOutcome, ledger
from harness.vbench.scores import Withheld
from tests.harness.vbench.outcomes import other, scored

MIXED = [
    scored(0, 0.5),
    scored(1, 1.0),
    other(2, Reached.EXPECTED, "not generated: oom"),
    other(3, Reached.GENERATED, "cannot be decoded"),
    other(4, Reached.DECODED, "not scored: timeout"),
    other(5, Reached.UNDETECTED, "no object found"),
    other(6, Reached.EXCLUDED, "moves"),
    other(7, Reached.EXCLUDED, "moves"),
]


def test_counts() -> None:
    line = ledger("fora", "color", MIXED)
    assert (line.expected, line.generated, line.decoded, line.scored) == (8, 7, 6, 2)
    assert line.excluded == {"moves": 2, "no object found": 1}
    assert line.missing == {"not generated: oom": 1, "cannot be decoded": 1, "not scored: timeout": 1}
    assert line.expected == line.scored + sum(line.excluded.values()) + sum(line.missing.values())


def test_what_is_missing_withholds_and_what_is_excluded_does_not() -> None:
    assert ledger("fora", "color", MIXED[:3]).withheld == Withheld(("1 of 3 videos: not generated: oom",))
    whole = ledger("fora", "color", [*MIXED[:2], *MIXED[5:]])
    assert whole.complete
    assert whole.withheld is None


def test_a_video_counts_once() -> None:
    with pytest.raises(ValueError, match="a cat-0 is there twice"):
        ledger("fora", "color", [scored(0, 0.5), scored(0, 0.5)])


@pytest.mark.parametrize(
    ("reached", "reason", "value"),
    [
        (Reached.SCORED, None, None),
        (Reached.SCORED, "why", 0.5),
        (Reached.DECODED, None, None),
        (Reached.EXPECTED, "x", 0),
    ],
)
def test_a_value_is_of_a_scored_video_and_any_other_says_why_not(
    reached: Reached, reason: str | None, value: float | None
) -> None:
    with pytest.raises(ValueError, match="a scored video has a value"):
        VideoOutcome("a cat", 0, reached, reason, value)
