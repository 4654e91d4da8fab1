"""How reports group and title what is measured: VBench's dimensions, and fidelity."""

from __future__ import annotations

from typing import Final

from harness.dimensions import QUALITY as QUALITY
from harness.dimensions import SEMANTIC as SEMANTIC

DIMENSIONS: Final = SEMANTIC + QUALITY
FIDELITY: Final = ("psnr", "ssim", "lpips")
"""Metrics that compare a video with the original's, so that an original itself has none."""


def title(dimension: str) -> str:
    """`object_class` -> `Object Class`, as papers head their columns."""
    return dimension.replace("_", " ").title()
