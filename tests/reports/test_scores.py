"""Aggregation of dimensions into scores."""

from __future__ import annotations

import numpy as np
import pytest

from reports.dimensions import QUALITY, SEMANTIC
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE, aggregate


def test_plain_means_and_four_to_one() -> None:
    """Quality 70, semantics 90: the total is (4 * 70 + 90) / 5 = 74."""
    assert aggregate(QUALITY_SCORE, np.full(7, 70.0)) == 70
    assert aggregate(SEMANTIC_SCORE, np.arange(9.0)) == 4
    assert aggregate(TOTAL_SCORE, np.array([70.0] * 7 + [90.0] * 9)) == 74


def test_withheld_when_one_dimension_is_absent() -> None:
    """A mean over eight of nine dimensions is another score."""
    dimensions = np.full(9, 50.0)
    dimensions[3] = np.nan
    assert np.isnan(aggregate(SEMANTIC_SCORE, dimensions))


def test_last_axis_is_the_dimension() -> None:
    """All draws of the bootstrap in one call."""
    assert aggregate(TOTAL_SCORE, np.ones((2000, 16))).shape == (2000,)
    with pytest.raises(ValueError, match="9 dimensions"):
        aggregate(SEMANTIC_SCORE, np.ones(7))


def test_names_and_counts() -> None:
    """Sixteen distinct dimensions, as VBench has."""
    assert (len(SEMANTIC), len(QUALITY), len({*SEMANTIC, *QUALITY})) == (9, 7, 16)
