"""What follows from the decisions of a video alone, found once for all videos that share them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from harness.records import DecisionRecord

MOST_KNOWN: Final = 1_000
"""Adaptive methods decide anew for every video, and what is found is not looked for again."""

_T = TypeVar("_T")


class FromDecisions(Generic[_T]):
    """`find` of decisions; those of videos that were made alike are one object, as `harness.records` reads them."""

    def __init__(self, find: Callable[[Sequence[DecisionRecord]], _T]) -> None:
        self._find = find
        self._known: dict[int, tuple[Sequence[DecisionRecord], _T]] = {}

    def of(self, decisions: Sequence[DecisionRecord]) -> _T:
        """Equal objects for one object."""
        known = self._known.get(id(decisions))
        if known is None:
            if len(self._known) == MOST_KNOWN:
                self._known.clear()
            # Kept with what was found: while they are there, no other decisions have their identity.
            known = self._known[id(decisions)] = decisions, self._find(decisions)
        return known[1]
