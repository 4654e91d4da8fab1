"""How VBench brings its dimensions onto one scale, and what each counts.

Constants: Vchitect/VBench@7975661, scripts/constant.py (NORMALIZE_DIC, DIM_WEIGHT, QUALITY_WEIGHT, SEMANTIC_WEIGHT).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.dimensions import QUALITY, SEMANTIC


@dataclass(frozen=True)
class Bounds:
    """Raw values that VBench makes 0 and 1."""

    low: float
    high: float


UNIT: Final = Bounds(0.0, 1.0)
BOUNDS: Final[dict[str, Bounds]] = dict.fromkeys(QUALITY + SEMANTIC, UNIT) | {
    "subject_consistency": Bounds(0.1462, 1.0),
    "background_consistency": Bounds(0.2615, 1.0),
    "temporal_flickering": Bounds(0.6293, 1.0),
    "motion_smoothness": Bounds(0.706, 0.9975),
    "scene": Bounds(0.0, 0.8222),
    "appearance_style": Bounds(0.0009, 0.2855),
    "temporal_style": Bounds(0.0, 0.364),
    "overall_consistency": Bounds(0.0, 0.364),
}
WEIGHTS: Final[dict[str, float]] = dict.fromkeys(QUALITY + SEMANTIC, 1.0) | {"dynamic_degree": 0.5}
"""Of a dimension within its half."""
QUALITY_WEIGHT: Final = 4.0
SEMANTIC_WEIGHT: Final = 1.0
"""Of the halves within the total."""


def normalized(dimension: str, raw: float) -> float:
    """A dimension's raw value (0 to 1, imaging quality too) on VBench's scale.

    VBench does not clip, so a value beyond the bounds lies below 0 or above 1. KeyError for a name that is none.
    """
    bounds = BOUNDS[dimension]
    return (raw - bounds.low) / (bounds.high - bounds.low)
