"""The predictor with and without the adversarial part of its training.

Held to: the semantic score of DisCa (N = 4) less that of the same with a predictor trained by the squared error alone,
for as many iterations, is above 0. The quality score and PSNR against the teacher's videos are told beside it.
"""

from __future__ import annotations

from typing import Final

from reports.claims.verdict import Finding
from reports.results import Results
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE

LETTER: Final = "d"
STATEMENT: Final = "Generative-adversarial training of the predictor helps."
SOURCE: Final = "DisCa Table 3"

WITH, WITHOUT = "DisCa (R=0.2, N=4)", "DisCa without GAN"


def findings(results: Results) -> list[Finding]:
    """Score points, and decibels."""
    return [
        Finding(
            f"{title}, {WITH} less {WITHOUT}",
            results.contrast((1.0, WITH, measure), (-1.0, WITHOUT, measure)),
            unit=unit,
            decides=measure == SEMANTIC_SCORE,
        )
        for title, measure, unit in (
            ("semantic score", SEMANTIC_SCORE, "points"),
            ("quality score", QUALITY_SCORE, "points"),
            ("PSNR", "psnr", "dB"),
        )
    ]
