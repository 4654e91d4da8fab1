"""From dimensions to scores, with VBench's weights between the two halves.

    semantic = mean of the nine semantic dimensions
    quality  = mean of the seven quality dimensions
    total    = (4 * quality + semantic) / 5

Means are plain, but where the judge is VBench itself: its dimensions are brought onto one scale first, and one of them
counts half, as on its leaderboard.

Every function takes and returns arrays whose last axis is the dimension, so that one call serves a point
estimate and all the bootstrap draws. A dimension that is NaN makes the score NaN: a score is withheld rather
than averaged over whatever happens to be there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from harness.vbench.normalization import BOUNDS, WEIGHTS
from harness.vbench.normalization import QUALITY_WEIGHT as QUALITY_WEIGHT
from harness.vbench.normalization import SEMANTIC_WEIGHT as SEMANTIC_WEIGHT
from reports.dimensions import QUALITY, SEMANTIC

Array = npt.NDArray[np.float64]

VBENCH: Final = "vbench"
"""The judge whose scores are its own package's."""
PERCENT: Final = 100.0
"""Dimensions and scores are percent."""

SEMANTIC_SCORE: Final = "semantic_score"
QUALITY_SCORE: Final = "quality_score"
TOTAL_SCORE: Final = "total_score"

INGREDIENTS: Final[dict[str, tuple[str, ...]]] = {
    SEMANTIC_SCORE: SEMANTIC,
    QUALITY_SCORE: QUALITY,
    TOTAL_SCORE: QUALITY + SEMANTIC,
}
"""The dimensions each score is made of, in the order `aggregate` expects them."""


def plain_mean(dimensions: Array) -> Array:
    """Mean over the last axis, NaN as soon as one dimension is NaN. Same unit and range as the dimensions."""
    return np.asarray(dimensions.mean(axis=-1), dtype=np.float64)


def total(quality: Array, semantic: Array) -> Array:
    """VBench's total: quality counts four times as much as semantics."""
    return (QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic) / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)


def leaderboard_mean(names: tuple[str, ...], dimensions: Array) -> Array:
    """VBench's mean over the last axis, which holds the raw values (percent) of these dimensions."""
    low = PERCENT * np.array([BOUNDS[name].low for name in names])
    span = np.array([BOUNDS[name].high - BOUNDS[name].low for name in names])
    weights = np.array([WEIGHTS[name] for name in names])
    return np.asarray(((dimensions - low) / span) @ weights / weights.sum(), dtype=np.float64)


def aggregate(score: str, dimensions: Array, judge: str | None = None) -> Array:
    """One of the three scores from its dimensions, laid out along the last axis as in `INGREDIENTS[score]`.

    Raises KeyError for a name that is not a score.
    """
    names = INGREDIENTS[score]
    if dimensions.shape[-1] != len(names):
        raise ValueError(f"{score} is made of {len(names)} dimensions, not {dimensions.shape[-1]}")

    def mean(part: slice) -> Array:
        values = dimensions[..., part]
        return leaderboard_mean(names[part], values) if judge == VBENCH else plain_mean(values)

    if score != TOTAL_SCORE:
        return mean(slice(None))
    return total(mean(slice(len(QUALITY))), mean(slice(len(QUALITY), None)))
