"""Votes -> one tidy frame with a line for each vote that counts, and for every other why it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from harness.records import SuiteManifest
from harness.study.record import StudyRecord, VoteRecord

MIN_PASSED: Final = 0.75
"""Least share of attention checks a rater must pass for any of their votes to count."""
COLUMNS: Final = ("model", "first", "second", "prompt_index", "sample_index", "rater", "outcome")
_OUTCOMES: Final = {"left": 1.0, "tie": 0.5, "right": 0.0}

UNPLAYABLE: Final = "where a video did not play"
INATTENTIVE: Final = f"by raters who failed more than {100 * (1 - MIN_PASSED):.0f} % of their attention checks"
STALE: Final = "on videos that the suite no longer has"


@dataclass(frozen=True, slots=True)
class Rater:
    """What is known of one rater: attention checks put and passed, and whether the votes count."""

    rater: int
    checks: int
    passed: int

    @property
    def attentive(self) -> bool:
        """Whether enough checks were passed; a rater who met none is believed."""
        return self.passed >= MIN_PASSED * self.checks


@dataclass(frozen=True)
class Preferences:
    """`votes` has `COLUMNS`; `outcome` is 1 where the first row's video was preferred, 0 the second's, 0.5 neither's.

    `first` stands before `second` in the suite. `left_out` counts the other votes by reason.
    """

    votes: pd.DataFrame
    raters: tuple[Rater, ...]
    left_out: Mapping[str, int]


def preferences(record: StudyRecord, manifest: SuiteManifest) -> Preferences:
    """Take the votes that count, whichever side a video was on."""
    raters = _raters(record)
    attentive = {rater.rater for rater in raters if rater.attentive}
    places = {
        cell_id: (order, *place)
        for order, row in enumerate(manifest.rows)
        for cell_id, place in zip(row.cell_ids, manifest.places(), strict=False)
    }
    lines = []
    left_out: Counter[str] = Counter()
    for vote in record.votes:
        if vote.degraded is not None:
            continue
        left, right = places.get(vote.left_cell_id), places.get(vote.right_cell_id)
        if vote.choice == "unplayable":
            left_out[UNPLAYABLE] += 1
        elif left is None or right is None:
            left_out[STALE] += 1
        elif vote.rater not in attentive:
            left_out[INATTENTIVE] += 1
        else:
            outcome = _OUTCOMES[vote.choice]
            if right[0] < left[0]:
                left, right, outcome = right, left, 1.0 - outcome
            first, second = manifest.rows[left[0]], manifest.rows[right[0]]
            lines.append((first.model_label, first.row, second.row, left[1], left[2], vote.rater, outcome))
    return Preferences(pd.DataFrame(lines, columns=list(COLUMNS)), raters, dict(left_out))


def _raters(record: StudyRecord) -> tuple[Rater, ...]:
    """All who answered anything, in the order of their first visit."""
    checks: Counter[int] = Counter()
    passed: Counter[int] = Counter()
    for vote in record.votes:
        if vote.degraded is not None and vote.choice != "unplayable":
            checks[vote.rater] += 1
            passed[vote.rater] += _passed(vote)
    return tuple(Rater(rater, checks[rater], passed[rater]) for rater in sorted({vote.rater for vote in record.votes}))


def _passed(vote: VoteRecord) -> bool:
    """Whether the video itself was preferred to its degraded copy; a tie is no better than the wrong side."""
    return vote.choice in ("left", "right") and vote.choice != vote.degraded
