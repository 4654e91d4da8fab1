"""Strengths against an optimiser that knows nothing of the iteration, and where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from reports.study.bradley_terry import strengths


def likeliest(wins: np.ndarray) -> np.ndarray:
    """The maximum of the likelihood as written in textbooks, by scipy."""
    rows = len(wins)

    def loss(strength: np.ndarray) -> float:
        differences = strength[:, None] - strength[None, :]
        return float((wins * np.logaddexp(0, -differences)).sum() + 1e-9 * (strength**2).sum())

    found = minimize(loss, np.zeros(rows), method="BFGS", options={"gtol": 1e-9}).x
    return np.asarray(found - found.mean())


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_an_optimiser(seed: int) -> None:
    wins = np.random.default_rng(seed).integers(0, 12, (5, 5)).astype(float) + 0.5
    np.fill_diagonal(wins, 0)
    assert strengths(wins) == pytest.approx(likeliest(wins), abs=1e-4)


def test_two_rows_have_a_closed_form() -> None:
    """Three to one is a difference of log 3."""
    found = strengths(np.array([[0.0, 30.0], [10.0, 0.0]]))
    assert found[0] - found[1] == pytest.approx(np.log(3), abs=1e-5)
    assert found.mean() == pytest.approx(0)


def test_rows_that_never_met_are_ranked_through_others() -> None:
    wins = np.array([[0.0, 3.0, 0.0], [1.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    assert strengths(wins) == pytest.approx([np.log(3), 0, -np.log(3)], abs=1e-4)


@pytest.mark.parametrize(
    "wins",
    [
        [[0, 5, 5], [0, 0, 2], [0, 2, 0]],  # the first row always won
        [[0, 5, 1], [5, 0, 1], [0, 0, 0]],  # the last one never did
        [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],  # two pairs that never met
    ],
)
def test_where_there_is_no_finite_maximum(wins: list[list[int]]) -> None:
    assert np.isnan(strengths(np.array(wins, dtype=float))).all()


def test_many_at_once_are_each_as_alone() -> None:
    wins = np.random.default_rng(1).integers(0, 4, (50, 4, 4)).astype(float)
    wins[:, range(4), range(4)] = 0
    together = strengths(wins)
    assert np.isnan(together).any()
    assert np.isfinite(together).any()
    for one, alone in zip(together, map(strengths, wins), strict=True):
        assert one == pytest.approx(alone, abs=1e-9, nan_ok=True)


def test_recovers_what_votes_were_drawn_from() -> None:
    true = np.array([1.0, 0.3, -0.2, -1.1])
    chance = 1 / (1 + np.exp(true[None, :] - true[:, None]))
    generator = np.random.default_rng(3)
    wins = np.zeros((4, 4))
    for first in range(4):
        for second in range(first + 1, 4):
            wins[first, second] = generator.binomial(20_000, chance[first, second])
            wins[second, first] = 20_000 - wins[first, second]
    assert strengths(wins) == pytest.approx(true, abs=0.03)
