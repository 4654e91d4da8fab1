"""Inception Score (arXiv 1606.03498), in parts of 5000 images and without the bias of the class scores.

Both are ADM's (openai/guided-diffusion@22e0df8, evaluations/evaluator.py); of 50,000 images that makes the usual 10
splits. The images are not shuffled first: they come in the suite's order of prompts, so where prompts are sorted by
class and there are more than 5000 images, shuffle the prompts.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, logsumexp

from harness.image_sets.features import Features
from harness.image_sets.reference import Reference
from harness.metrics.sets.base import SetMetric

IMAGES_A_PART = 5000


class InceptionScore(SetMetric):
    """Mean over parts of exp(E KL(p(y|x) || p(y))): 1 if all images look alike, 1008 at most."""

    values = ("inception_score",)
    higher_is_better = True
    needs_reference = False

    def score(self, features: Features, reference: Reference | None) -> dict[str, float]:
        """See `SetMetric.score`."""
        log_p = log_softmax(features.logits, axis=1)
        parts = [log_p[start : start + IMAGES_A_PART] for start in range(0, len(log_p), IMAGES_A_PART)]
        return {"inception_score": float(np.mean([_score_of(part) for part in parts]))}


def _score_of(log_p: np.ndarray) -> float:
    log_mean = logsumexp(log_p, axis=0, keepdims=True) - np.log(len(log_p))
    return float(np.exp((np.exp(log_p) * (log_p - log_mean)).sum(axis=1).mean()))
