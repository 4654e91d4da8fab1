"""A claim's verdict: the numbers it speaks about, and whether they lie where the claim puts them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from reports.estimates import Contrast


class Outcome(StrEnum):
    """What can be said of a claim, or of one number in it."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "cannot be told"
    """The interval reaches into the claimed range and out of it; or there is none, with a single prompt."""
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Finding:
    """One number, and the open range from `low` to `high` in which the claim puts it."""

    said: str
    """What the number is, in a clause."""
    found: Contrast | str
    """The number, or why there is none."""
    low: float = 0.0
    high: float = math.inf
    unit: str = ""
    decimals: int = 2
    decides: bool = True
    """Whether the verdict depends on it; the others are told beside it."""

    @property
    def outcome(self) -> Outcome:
        """By the whole interval: all of it in the range, all of it outside, or neither."""
        if isinstance(self.found, str):
            return Outcome.NOT_MEASURED
        interval = self.found.interval
        if interval is None:
            return Outcome.UNDECIDED
        if self.low < interval.low and interval.high < self.high:
            return Outcome.HOLDS
        return Outcome.FAILS if interval.high < self.low or self.high < interval.low else Outcome.UNDECIDED


@dataclass(frozen=True)
class Verdict:
    """What became of one claim. `explanation` and `attempt` are people's, for a claim that does not hold."""

    letter: str
    statement: str
    source: str
    held_to: str
    """Which numbers must lie where, as it was stated before they were measured."""
    findings: tuple[Finding, ...]
    explanation: str | None = None
    """Why it does not."""
    attempt: str | None = None
    """What was done to remove that, and what came of it."""

    @property
    def outcome(self) -> Outcome:
        """It holds if all that decides does, and fails if any of it fails, whatever else could not be told."""
        found = {finding.outcome for finding in self.findings if finding.decides}
        for outcome in (Outcome.FAILS, Outcome.NOT_MEASURED, Outcome.UNDECIDED):
            if outcome in found:
                return outcome
        return Outcome.HOLDS if found else Outcome.NOT_MEASURED
