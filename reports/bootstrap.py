"""Paired bootstrap over prompts: 95 % percentile intervals, the same every time.

Prompts are the unit that is resampled, because samples of one prompt are alike and because a benchmark is a choice
of prompts. A draw is written as how often each prompt was drawn, so that a mean over a draw is a quotient of two
matrix products. All rows share one set of draws; that is what makes a difference between two rows paired.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DRAWS: Final = 2000
SEED: Final = 2026
LEVEL: Final = 0.95
MIN_USABLE: Final = 0.9
"""Least share of draws in which a quantity must exist. A dimension that few prompts test is absent from some draws;
with more of them absent than this the interval would describe a different quantity, and none is given."""


class Interval(NamedTuple):
    """Lower and upper end, in the unit of the estimate."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval, ends included."""
        return self.low <= value <= self.high


def prompt_draws(prompts: int, draws: int = DRAWS, seed: int = SEED) -> Array:
    """How often each prompt is drawn: shape (draws, prompts), every row sums to `prompts`.

    The result depends on the arguments alone. Raises ValueError for no prompts.
    """
    if prompts < 1:
        raise ValueError("there is nothing to draw from: 0 prompts")
    uniform = np.full(prompts, 1.0 / prompts)
    return np.random.default_rng(seed).multinomial(prompts, uniform, size=draws).astype(np.float64)


def drawn_means(sums: Array, counts: Array, weights: Array) -> Array:
    """The mean in every draw, from per-prompt sums and counts (last axis: prompts). NaN where nothing was drawn.

    `sums` and `counts` have shape (prompts,) or (quantities, prompts); the result (draws,) or (draws, quantities).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ sums.T) / (weights @ counts.T), dtype=np.float64)


def percentile_interval(values: Array) -> Interval | None:
    """The central 95 % of the draws; None when too few of them have a value."""
    usable = values[np.isfinite(values)]
    if values.size == 0 or usable.size < MIN_USABLE * values.size:
        return None
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
