"""Balance, whatever raters do; chance is seeded here."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.study.assignment import is_check, next_comparison, question_count
from harness.study.plan import Comparison, RowPair


def row_pairs(rows: int, prompts: int) -> tuple[RowPair, ...]:
    return tuple(
        RowPair(f"row{a}", f"row{b}", tuple(Comparison(f"{a}-{n}", f"{b}-{n}") for n in range(prompts)))
        for a, b in combinations(range(rows), 2)
    )


def ask(pairs: tuple[RowPair, ...], raters: list[int], overlap: int, seed: int) -> list[tuple[int, Comparison]]:
    """One question for each entry of `raters`, until a rater has seen everything."""
    chance = random.Random(seed)
    asked: Counter[Comparison] = Counter()
    seen: dict[int, set[Comparison]] = {}
    given = []
    for rater in raters:
        comparison = next_comparison(pairs, asked, seen.setdefault(rater, set()), overlap, chance)
        if comparison is not None:
            asked[comparison] += 1
            seen[rater].add(comparison)
            given.append((rater, comparison))
    return given


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 5),
    prompts=st.integers(1, 6),
    raters=st.lists(st.integers(0, 7), max_size=80),
    overlap=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_nobody_sees_a_comparison_twice_and_pairs_of_rows_stay_even(
    rows: int, prompts: int, raters: list[int], overlap: int, seed: int
) -> None:
    pairs = row_pairs(rows, prompts)
    given_ = ask(pairs, raters, overlap, seed)
    assert len(given_) == len(set(given_))
    everything = len(pairs) * prompts
    asked = Counter(raters)
    assert len(given_) == sum(min(count, everything) for count in asked.values())
    if all(count <= prompts for count in asked.values()):
        # Nobody can have run out of a pair of rows, so nothing stands in the way of balance.
        counts = Counter(pair for _, one in given_ for pair in pairs if one in pair.comparisons)
        assert max(counts.values(), default=0) - min((counts[pair] for pair in pairs), default=0) <= 1


@pytest.mark.parametrize("overlap", [1, 2, 3])
def test_a_comparison_is_finished_before_another_is_opened(overlap: int) -> None:
    given_ = ask(row_pairs(2, 12), [rater for _ in range(3) for rater in range(4)], overlap, seed=1)
    assert set(Counter(comparison for _, comparison in given_).values()) == {overlap}


def test_the_first_question_differs_between_studies() -> None:
    firsts = {ask(row_pairs(4, 5), [0], 1, seed)[0][1] for seed in range(40)}
    assert len(firsts) > 10


def test_no_question_is_left() -> None:
    pairs = row_pairs(2, 1)
    assert next_comparison(pairs, {}, set(pairs[0].comparisons), 1, random.Random(0)) is None


@pytest.mark.parametrize("check_every", [1, 2, 10])
def test_one_question_in_each_run_is_a_check(check_every: int) -> None:
    for rater in range(5):
        checks = [is_check(rater, number, check_every) for number in range(10 * check_every)]
        runs = [checks[start : start + check_every] for start in range(0, len(checks), check_every)]
        assert all(sum(run) == 1 for run in runs)


def test_checks_are_not_at_places_one_could_learn() -> None:
    places = {next(number for number in range(10) if is_check(rater, number, 10)) for rater in range(40)}
    assert len(places) > 5
    assert not any(is_check(1, number, 0) for number in range(50))


@pytest.mark.parametrize(
    ("comparisons", "questions", "check_every", "expected"), [(100, 40, 10, 40), (5, 40, 0, 5), (0, 40, 0, 0)]
)
def test_how_many_questions_there_are(comparisons: int, questions: int, check_every: int, expected: int) -> None:
    assert question_count(1, comparisons, questions, check_every) == expected


def test_checks_come_on_top_where_comparisons_are_few() -> None:
    for rater in range(10):
        assert question_count(rater, 9, 40, 10) in (9, 10, 11)
