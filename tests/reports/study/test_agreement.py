"""Krippendorff's own example, and the edges."""

from __future__ import annotations

import pytest

from reports.study.agreement import agreement

# Four observers and twelve units with values missing: the reliability data of sections C and D of Krippendorff (2011).
ROWS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)


def test_krippendorffs_example() -> None:
    units = [[value for value in unit if value is not None] for unit in zip(*ROWS, strict=True)]
    found = agreement(units)
    assert found.alpha == pytest.approx(0.743, abs=0.0005)
    assert found.units == 11


def test_two_observers_without_gaps() -> None:
    """By hand: ten units, four agreements on 0, four on 1, two disagreements; 1 - 19 x 4 / (2 x 10 x 10)."""
    found = agreement([[0, 0]] * 4 + [[1, 1]] * 4 + [[0, 1]] * 2)
    assert found.agreeing == pytest.approx(0.8)
    assert found.alpha == pytest.approx(1 - 19 * 4 / 200)


def test_perfect_and_worse_than_chance() -> None:
    assert agreement([["a", "a"], ["b", "b", "b"]]).alpha == pytest.approx(1)
    worse = agreement([["a", "b"], ["b", "a"]]).alpha
    assert worse is not None
    assert worse < 0


def test_nothing_to_compare() -> None:
    assert agreement([["a"], [], ["b"]]) == agreement([])
    assert agreement([]).agreeing is None


def test_nothing_to_disagree_on() -> None:
    found = agreement([["a", "a"], ["a", "a"]])
    assert (found.agreeing, found.alpha) == (1.0, None)
