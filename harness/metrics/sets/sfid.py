"""Spatial FID (arXiv 2103.03841), as ADM's evaluator computes it: the first 7 channels of a 17 x 17 layer.

The selection of channels is openai/guided-diffusion@22e0df8, evaluations/evaluator.py.
"""

from __future__ import annotations

from harness.image_sets.features import Features, Gaussian, frechet_distance
from harness.image_sets.reference import Reference
from harness.metrics.sets.base import SetMetric, given


class Sfid(SetMetric):
    """sFID; as FID, but where things are counts too."""

    values = ("sfid",)
    higher_is_better = False
    needs_reference = True

    def score(self, features: Features, reference: Reference | None) -> dict[str, float]:
        """See `SetMetric.score`."""
        return {"sfid": frechet_distance(Gaussian.of(features.spatial), given(reference).spatial)}
