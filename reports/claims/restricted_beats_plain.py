"""Restricted MeanFlow against MeanFlow of as many steps.

Held to: the semantic score of Restricted MeanFlow (R = 0.2, which the paper adopts) less that of MeanFlow is above 0 at
20 steps and at 10, and the difference at 10 less that at 20 is above 0. R = 0.4, the quality score, by which the
paper's own supplementary says flaws do not show, and 5 steps, which the paper does not have, are told beside it.
"""

from __future__ import annotations

from typing import Final

from reports.claims.verdict import Finding
from reports.results import Results
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE

LETTER: Final = "a"
STATEMENT: Final = "Restricted MeanFlow beats plain MeanFlow at equal steps, more so at 10 than at 20."
SOURCE: Final = "DisCa Table 1"

_STEPS: Final = (20, 10)
_FEWER: Final = 5


def findings(results: Results) -> list[Finding]:
    """Score points."""

    def over_plain(steps: int, measure: str, kind: str = "") -> tuple[tuple[float, str, str], ...]:
        restricted = f"Restricted MeanFlow{kind}: {steps} steps"
        return (1.0, restricted, measure), (-1.0, f"MeanFlow: {steps} steps", measure)

    def finding(said: str, *terms: tuple[float, str, str], decides: bool = True) -> Finding:
        return Finding(said, results.contrast(*terms), unit="points", decides=decides)

    semantic = {steps: over_plain(steps, SEMANTIC_SCORE) for steps in _STEPS}
    at_20 = [(-weight, row, measure) for weight, row, measure in semantic[20]]
    return [
        *(finding(f"semantic score, R = 0.2 less plain, {steps} steps", *semantic[steps]) for steps in _STEPS),
        finding("the same at 10 steps less that at 20", *semantic[10], *at_20),
        *(
            finding(f"{title} score, {kind} less plain, {steps} steps", *over_plain(steps, name, row), decides=False)
            for title, name, kind, row in (
                ("semantic", SEMANTIC_SCORE, "R = 0.4", " (R=0.4)"),
                ("quality", QUALITY_SCORE, "R = 0.2", ""),
            )
            for steps in _STEPS
        ),
        finding(
            f"semantic score, R = 0.2 less plain, {_FEWER} steps", *over_plain(_FEWER, SEMANTIC_SCORE), decides=False
        ),
    ]
