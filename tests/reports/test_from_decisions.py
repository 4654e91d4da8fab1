"""What is found of decisions is found once for each list of them, and never for another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.records import DecisionRecord
from reports import from_decisions
from reports.from_decisions import FromDecisions


def made(steps: int) -> tuple[DecisionRecord, ...]:
    """A new list every time."""
    return tuple(DecisionRecord(step_index=step, branch="cond", action="compute") for step in range(steps))


def test_one_list_is_looked_at_once() -> None:
    looked_at: list[Sequence[DecisionRecord]] = []
    found = FromDecisions(lambda decisions: looked_at.append(decisions) or len(decisions))
    decisions = made(3)
    assert [found.of(decisions) for _ in range(5)] == [3] * 5
    assert len(looked_at) == 1


def test_what_is_gone_is_not_taken_for_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python gives the identity of a list that is gone to the next."""
    monkeypatch.setattr(from_decisions, "MOST_KNOWN", 7)
    found: FromDecisions[int] = FromDecisions(len)
    assert [found.of(made(1 + turn % 5)) for turn in range(100)] == [1 + turn % 5 for turn in range(100)]
    assert len(found._known) <= 7
