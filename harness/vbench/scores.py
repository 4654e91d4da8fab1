"""Quality, semantic and total score as VBench's leaderboard has them, or the reason why there is none.

The arithmetic is that of Vchitect/VBench@5ebbf0b, scripts/cal_final_score.py, with one difference: there a dimension
that is missing counts as 0, here the scores that need it are withheld.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from harness.dimensions import QUALITY, SEMANTIC
from harness.errors import nearest
from harness.vbench.normalization import BOUNDS, QUALITY_WEIGHT, SEMANTIC_WEIGHT, WEIGHTS, normalized


@dataclass(frozen=True)
class Withheld:
    """In place of a number that would not be what its name says; one clause for each thing missing."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """As it stands in a report."""
        return f"withheld: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class VBenchScores:
    """On VBench's scale, about 0 to 1; its leaderboard prints percent."""

    quality: float | Withheld
    semantic: float | Withheld
    total: float | Withheld


def vbench_scores(raw: Mapping[str, float | Withheld]) -> VBenchScores:
    """The scores of a row from the raw values of its dimensions, which are 0 to 1.

    A dimension that is absent, withheld or not a finite number withholds its half, and the total.

    Raises:
        ValueError: a name is no dimension.
    """
    for name in raw:
        if name not in BOUNDS:
            raise ValueError(f"{name!r} is no dimension of VBench{nearest(name, BOUNDS)}")
    quality, semantic = _half(raw, QUALITY), _half(raw, SEMANTIC)
    missing = [reason for half in (quality, semantic) if isinstance(half, Withheld) for reason in half.reasons]
    if isinstance(quality, Withheld) or isinstance(semantic, Withheld):
        return VBenchScores(quality, semantic, Withheld(tuple(missing)))
    total = (QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic) / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)
    return VBenchScores(quality, semantic, total)


def _half(raw: Mapping[str, float | Withheld], dimensions: tuple[str, ...]) -> float | Withheld:
    missing: list[str] = []
    weighted = 0.0
    for name in dimensions:
        value = raw.get(name)
        if value is None:
            missing.append(f"{name} is missing")
        elif isinstance(value, Withheld):
            missing += [f"{name}: {reason}" for reason in value.reasons]
        elif not math.isfinite(value):
            missing.append(f"{name} is {value}")
        else:
            weighted += WEIGHTS[name] * normalized(name, value)
    return Withheld(tuple(missing)) if missing else weighted / sum(WEIGHTS[name] for name in dimensions)
