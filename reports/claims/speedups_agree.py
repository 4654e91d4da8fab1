"""The speedup that FLOPs promise, and the one of the clock.

Both are of the denoiser, over the teacher's 50 steps: its FLOPs, and the time of denoising without encoding the text
and decoding the video, which on a small model are not small. Agreement is the speedup of the clock over that of FLOPs,
for several rows their geometric mean. Held to: for caches of one layer it is 0.9 to 1.1, for caches of every layer
below 0.9, and theirs over the former's is below 1. In the paper's Table 7 it is 0.96 and 0.84. Each row's is told too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from reports.claims.verdict import Finding
from reports.results import Results

LETTER: Final = "f"
STATEMENT: Final = "Theoretical and actual speedup agree for single-layer caches, not for multi-layer ones."
SOURCE: Final = "DisCa supplementary 8.5.2 and Table 7"

ORIGINAL: Final = "Original: 50 steps"
SINGLE_LAYER: Final = (
    "Delta-DiT (N=5)",
    "Delta-DiT (N=8)",
    "TeaCache (l=0.15)",
    "TeaCache (l=0.4)",
    "DisCa (R=0.2, N=2)",
    "DisCa (R=0.2, N=3)",
    "DisCa (R=0.2, N=4)",
)
MULTI_LAYER: Final = (
    "PAB (N=5)",
    "PAB (N=8)",
    "FORA (N=3)",
    "FORA (N=6)",
    "TaylorSeer (N=3, O=1)",
    "TaylorSeer (N=6, O=1)",
)
TOLERANCE: Final = 0.1


def findings(results: Results) -> list[Finding]:
    """Quotients."""
    low, high = 1 - TOLERANCE, 1 + TOLERANCE
    single, multi = agreement(SINGLE_LAYER), agreement(MULTI_LAYER)
    between = [*multi, *((-weight, row, measure) for weight, row, measure in single)]
    rows = {row: (low, high) for row in SINGLE_LAYER} | {row: (-math.inf, low) for row in MULTI_LAYER}
    return [
        _finding(results, "actual over theoretical speedup, caches of one layer", single, low, high),
        _finding(results, "actual over theoretical speedup, caches of every layer", multi, -math.inf, low),
        _finding(results, "the latter over the former", between, -math.inf, 1.0),
        *(
            _finding(results, f"actual over theoretical speedup, {row}", agreement((row,)), *place, decides=False)
            for row, place in rows.items()
        ),
    ]


def agreement(rows: Sequence[str]) -> list[tuple[float, str, str]]:
    """The terms of the geometric mean over rows."""
    share = 1 / len(rows)
    row_terms = [term for row in rows for term in ((-share, row, "denoise_s"), (share, row, "flops"))]
    return [(1.0, ORIGINAL, "denoise_s"), (-1.0, ORIGINAL, "flops"), *row_terms]


def _finding(
    results: Results,
    said: str,
    terms: Sequence[tuple[float, str, str]],
    low: float,
    high: float,
    *,
    decides: bool = True,
) -> Finding:
    return Finding(said, results.contrast(*terms, ratio=True), low, high, decides=decides)
