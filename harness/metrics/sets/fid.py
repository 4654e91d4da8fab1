"""Frechet Inception Distance (arXiv 1706.08500), on the pool features."""

from __future__ import annotations

from harness.image_sets.features import Features, Gaussian, frechet_distance
from harness.image_sets.reference import Reference
from harness.metrics.sets.base import SetMetric, given


class Fid(SetMetric):
    """FID; 0 is the reference's own distribution. It falls with the number of images, so compare equal numbers only."""

    values = ("fid",)
    higher_is_better = False
    needs_reference = True

    def score(self, features: Features, reference: Reference | None) -> dict[str, float]:
        """See `SetMetric.score`."""
        return {"fid": frechet_distance(Gaussian.of(features.pool), given(reference).pool)}
