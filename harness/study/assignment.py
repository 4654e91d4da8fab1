"""Who is asked what next: every pair of rows equally often, and enough raters for each comparison to agree or not.

Pure: what was asked so far comes in, the next question goes out, and chance comes from the caller.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from harness.study.plan import Comparison, RowPair


def next_comparison(
    row_pairs: Sequence[RowPair],
    asked: Mapping[Comparison, int],
    seen: Collection[Comparison],
    raters_a_comparison: int,
    chance: random.Random,
) -> Comparison | None:
    """The comparison to ask a rater about; None once the rater has `seen` them all.

    `asked` says how often each was given to anybody. The pair of rows asked about least comes first. Within it a
    comparison that some raters have judged is given to others until `raters_a_comparison` have, before a new one is
    opened: agreement can be measured only where several raters judge the same.
    """
    in_turn = sorted(row_pairs, key=lambda pair: (sum(asked.get(one, 0) for one in pair.comparisons), chance.random()))
    for pair in in_turn:
        unseen = [comparison for comparison in pair.comparisons if comparison not in seen]
        if unseen:
            return min(unseen, key=lambda one: (*_turn(asked.get(one, 0), raters_a_comparison), chance.random()))
    return None


def _turn(asked: int, raters_a_comparison: int) -> tuple[int, int]:
    """How often it has been round, and within the round the one nearest to its end."""
    rounds, since = divmod(asked, raters_a_comparison)
    return rounds, -since


def is_check(rater: int, number: int, check_every: int) -> bool:
    """Whether a rater's question of this number, counted from 0, is an attention check; never with `check_every` 0.

    One in each run of `check_every` questions is, at a place that differs by rater and run.
    """
    if check_every == 0:
        return False
    run, place = divmod(number, check_every)
    return random.Random(f"{rater}-{run}").randrange(check_every) == place


def question_count(rater: int, comparisons: int, questions: int, check_every: int) -> int:
    """How many questions a rater gets in all: at most `questions`, and fewer where there are too few comparisons."""
    number = 0
    while number < questions:
        if not is_check(rater, number, check_every):
            if comparisons == 0:
                break
            comparisons -= 1
        number += 1
    return number
