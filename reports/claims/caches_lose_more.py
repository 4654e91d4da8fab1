"""Training-free caches against the predictor, both on the student of 20 steps.

Held to: for each cache on the student, what it loses of the student's semantic score less what the predictor loses, at
the one of DisCa's settings whose measured speedup is nearest, is above 0; which is the predictor's score less the
cache's. Where one of the two is more than 1.25 times as fast as the other, the number is told but does not decide: a
cache that hardly skips anything loses nothing, and one that skips more than DisCa may lose more for that. What each
setting of DisCa loses is told too.
"""

from __future__ import annotations

import math
from typing import Final

from reports.claims.at_speed import DISCA, disca_less, speedups, unknown
from reports.claims.verdict import Finding
from reports.results import Results
from reports.scores import SEMANTIC_SCORE

LETTER: Final = "c"
STATEMENT: Final = "Training-free caching on top of the few-step student loses more than the predictor does."
SOURCE: Final = "DisCa, abstract, Figure 1 and Table 3"

STUDENT: Final = "Restricted MeanFlow: 20 steps"
CACHES: Final = (
    "FORA (N=2) on Restricted MeanFlow",
    "DisCa without predictor",
    "TeaCache (l=0.15) on Restricted MeanFlow",
    "TeaCache (l=0.4) on Restricted MeanFlow",
    "TaylorSeer (N=2, O=1) on Restricted MeanFlow",
    "TaylorSeer (N=3, O=1) on Restricted MeanFlow",
)
ALIKE: Final = 1.25
"""Times as fast."""


def findings(results: Results) -> list[Finding]:
    """Score points."""
    lost = [
        Finding(
            f"semantic score that {disca} loses of the student's",
            results.contrast((1.0, STUDENT, SEMANTIC_SCORE), (-1.0, disca, SEMANTIC_SCORE)),
            low=-math.inf,
            unit="points",
            decides=False,
        )
        for disca in DISCA
    ]
    return [*(_against(results, cache) for cache in CACHES), *lost]


def _against(results: Results, cache: str) -> Finding:
    speeds = speedups(results, cache)
    if isinstance(speeds, str):
        return unknown(cache, speeds)

    def apart(disca: str) -> float:
        return max(speeds[disca] / speeds[cache], speeds[cache] / speeds[disca])

    nearest = min(DISCA, key=apart)
    return disca_less(results, nearest, cache, speeds, decides=apart(nearest) <= ALIKE)
