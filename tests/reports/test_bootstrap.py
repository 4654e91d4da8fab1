"""The vectorised bootstrap against one written as a loop that resamples lists."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

from reports.bootstrap import drawn_means, percentile_interval, prompt_draws


def test_every_draw_takes_as_many_prompts_as_there_are() -> None:
    """A draw with fewer prompts would give intervals that are too wide."""
    weights = prompt_draws(7)
    assert weights.shape == (2000, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_the_same_arguments_give_the_same_draws() -> None:
    """Two runs of a report must not differ in their intervals."""
    assert np.array_equal(prompt_draws(5), prompt_draws(5))
    assert not np.array_equal(prompt_draws(5), prompt_draws(5, seed=1))


def test_agrees_with_a_plain_loop() -> None:
    """Percentiles of means over resampled prompts, computed without matrices, by another random generator."""
    values = [[1.0, 2.0], [4.0], [2.5, 2.0], [8.0, 7.0], [0.5, 1.5], [3.0, 3.0], [5.0, 4.0], [2.0, 9.0]]
    sums = np.array([sum(prompt) for prompt in values])
    counts = np.array([len(prompt) for prompt in values], dtype=float)
    interval = percentile_interval(drawn_means(sums, counts, prompt_draws(len(values), draws=20_000)))
    generator = random.Random(3)
    means = sorted(
        statistics.fmean(value for prompt in generator.choices(values, k=len(values)) for value in prompt)
        for _ in range(20_000)
    )
    assert interval is not None
    assert interval.low == pytest.approx(means[500], abs=0.06)
    assert interval.high == pytest.approx(means[19_500], abs=0.06)


def test_draws_without_a_value_do_not_count() -> None:
    """A dimension that only one prompt in forty tests is absent from a third of the draws: no interval."""
    counts = np.zeros(40)
    counts[0] = 2
    weights = prompt_draws(40)
    assert percentile_interval(drawn_means(counts * 0.5, counts, weights)) is None
    counts[:20] = 2
    assert percentile_interval(drawn_means(counts * 0.5, counts, weights)) == (0.5, 0.5)


def test_nothing_to_draw_from() -> None:
    """No prompts is a mistake of the caller."""
    with pytest.raises(ValueError, match="0 prompts"):
        prompt_draws(0)
