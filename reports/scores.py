"""From dimensions to scores, with plain means and VBench's weights between the two halves.

    semantic = mean of the nine semantic dimensions
    quality  = mean of the seven quality dimensions
    total    = (4 * quality + semantic) / 5

Every function takes and returns arrays whose last axis is the dimension, so that one call serves a point
estimate and all the bootstrap draws. A dimension that is NaN makes the score NaN: a score is withheld rather
than averaged over whatever happens to be there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from harness.vbench.normalization import QUALITY_WEIGHT as QUALITY_WEIGHT
from harness.vbench.normalization import SEMANTIC_WEIGHT as SEMANTIC_WEIGHT
from reports.dimensions import QUALITY, SEMANTIC

Array = npt.NDArray[np.float64]

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


def aggregate(score: str, dimensions: Array) -> Array:
    """One of the three scores from its dimensions, laid out along the last axis as in `INGREDIENTS[score]`.

    Raises KeyError for a name that is not a score.
    """
    expected = len(INGREDIENTS[score])
    if dimensions.shape[-1] != expected:
        raise ValueError(f"{score} is made of {expected} dimensions, not {dimensions.shape[-1]}")
    if score != TOTAL_SCORE:
        return plain_mean(dimensions)
    return total(plain_mean(dimensions[..., : len(QUALITY)]), plain_mean(dimensions[..., len(QUALITY) :]))
