"""The decisions of one video as the page's strips read them: per branch, in parallel lists, with nothing left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from harness.records import DecisionRecord

Trace = list[dict[str, Any]]


def trace(decisions: Sequence[DecisionRecord]) -> Trace:
    """One entry per branch, in order of appearance: `steps`, `actions` and, where one has any, `levels`, `distances`.

    `actions` are those of `methods.base.Decision`, whole words. A branch called twice in one step has it twice.
    """
    branches: defaultdict[str, list[DecisionRecord]] = defaultdict(list)
    for decision in decisions:
        branches[decision.branch].append(decision)
    found = []
    for branch, calls in branches.items():
        entry: dict[str, Any] = {
            "branch": branch,
            "steps": [call.step_index for call in calls],
            "actions": [call.action for call in calls],
        }
        if any(call.level is not None for call in calls):
            entry["levels"] = [call.level for call in calls]
        if any(call.distance is not None for call in calls):
            # Four digits: the strip is read, not computed with, and adaptive methods have one of these for every call.
            entry["distances"] = [None if call.distance is None else float(f"{call.distance:.4g}") for call in calls]
        found.append(entry)
    return found
