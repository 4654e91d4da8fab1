"""Improved precision and recall (arXiv 1904.06991) on the pool features, with the 3rd nearest neighbour as ADM has it.

Differs from openai/guided-diffusion@22e0df8, evaluations/evaluator.py, in one thing: distances are in double precision,
where the evaluator's are in half precision as long as they are finite.
"""

from __future__ import annotations

import numpy as np

from harness.image_sets.features import Array, Features
from harness.image_sets.reference import Reference
from harness.metrics.sets.base import SetMetric, given_features

NEIGHBOUR = 3
_LINES_AT_ONCE = 1024


class PrecisionRecall(SetMetric):
    """Precision: the part of the images within the reference's manifold; recall: the reverse. Both in 0..1.

    A manifold is the union of balls around features, each reaching the 3rd nearest other feature of its own set.
    """

    values = ("precision", "recall")
    higher_is_better = True
    needs_reference = True
    needs_reference_features = True

    def score(self, features: Features, reference: Reference | None) -> dict[str, float]:
        """See `SetMetric.score`."""
        real = given_features(reference)
        if min(len(real), len(features.pool)) <= NEIGHBOUR:
            raise ValueError(f"{len(features.pool)} images against {len(real)}: each side needs {NEIGHBOUR + 1}")
        return {
            "precision": _part_within(features.pool, real, _radii(real)),
            "recall": _part_within(real, features.pool, _radii(features.pool)),
        }


def _radii(features: Array) -> Array:
    """Squared distance of each feature to the 3rd nearest other of its set."""
    parts = []
    for start in range(0, len(features), _LINES_AT_ONCE):
        lines = _squared_distances(features[start : start + _LINES_AT_ONCE], features)
        # The nearest is the feature itself, and rounding must not make it anything but that.
        lines[np.arange(len(lines)), np.arange(start, start + len(lines))] = 0.0
        parts.append(np.partition(lines, NEIGHBOUR, axis=1)[:, NEIGHBOUR])
    return np.concatenate(parts)


def _part_within(features: Array, centres: Array, radii: Array) -> float:
    """The part of `features` that lies within a ball around any of `centres`."""
    within = 0
    for start in range(0, len(features), _LINES_AT_ONCE):
        distances = _squared_distances(features[start : start + _LINES_AT_ONCE], centres)
        within += int((distances <= radii).any(axis=1).sum())
    return within / len(features)


def _squared_distances(one: Array, other: Array) -> Array:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    distances: Array = (squares - 2 * one @ other.T).clip(min=0)
    return distances
