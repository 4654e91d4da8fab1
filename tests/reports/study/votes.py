"""Votes of raters who prefer by a rule, on the synthetic suite."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations

from harness.records import SuiteManifest
from harness.study.record import Choice, Side, StudyRecord, VoteRecord


def cast(
    rater: int, left: str, right: str, choice: Choice, *, degraded: Side | None = None, at: float = 0.0
) -> VoteRecord:
    return VoteRecord(
        rater=rater,
        left_cell_id=left,
        right_cell_id=right,
        degraded=degraded,
        choice=choice,
        answered_at=at,
        shown_s=5.0,
    )


def study(manifest: SuiteManifest, *votes: VoteRecord) -> StudyRecord:
    return StudyRecord(suite=manifest.suite, reference_shown=False, votes=votes)


def by_strength(
    manifest: SuiteManifest, strength: Callable[[str], float], raters: int = 4, tie_share: float = 0.2, seed: int = 0
) -> StudyRecord:
    """Every rater judges every comparison, noisily, and meets one attention check."""
    chance = random.Random(seed)
    votes = []
    for rater in range(1, raters + 1):
        original = manifest.rows[0].cell_ids[0]
        votes.append(cast(rater, original, original, "left", degraded="right"))
        for first, second in combinations(manifest.rows, 2):
            for cells in zip(first.cell_ids, second.cell_ids, strict=True):
                noise = chance.gauss(0, 1)
                better = strength(first.row) + noise > strength(second.row)
                swapped = chance.random() < 0.5
                left, right = reversed(cells) if swapped else cells
                choice: Choice = "left" if better != swapped else "right"
                if chance.random() < tie_share:
                    choice = "tie"
                votes.append(cast(rater, left, right, choice, at=float(len(votes))))
    return study(manifest, *votes)
