"""What DisCa's cache holds, and what those hold that cache in every block.

Delta-DiT's cache is the measure of one hidden state: the residual of one run of blocks over all tokens, of video and
text. Held to: DisCa's cache is 0.9 to 1.1 of that, and those of PAB, FORA and TaylorSeer are more than 0.9 of it for
each of the model's 12 blocks, so that they grow with their number. (One model has one depth. Models of several are
compared without weights in tests/harness/cost/test_cache_depth.py.)
"""

from __future__ import annotations

import math
from typing import Final

from reports.claims.verdict import Finding
from reports.results import Results

LETTER: Final = "e"
STATEMENT: Final = "DisCa's extra memory is that of one hidden state; multi-layer caches' grows with depth."
SOURCE: Final = "DisCa supplementary 8.5.1, Figure 7 and Table 7"

BLOCKS: Final = 12
"""Of the ladder's transformer: 4 with two streams and 8 with one."""
ONE_STATE: Final = "Delta-DiT (N=5)"
DISCA: Final = "DisCa (R=0.2, N=4)"
MULTI_LAYER: Final = ("PAB (N=5)", "FORA (N=3)", "TaylorSeer (N=3, O=1)")
TOLERANCE: Final = 0.1


def findings(results: Results) -> list[Finding]:
    """Bytes at the largest, over those of one hidden state."""
    single = _in_states(results, DISCA, low=1 - TOLERANCE, high=1 + TOLERANCE)
    return [single, *(_in_states(results, row, low=(1 - TOLERANCE) * BLOCKS) for row in MULTI_LAYER)]


def _in_states(results: Results, row: str, low: float, high: float = math.inf) -> Finding:
    found = results.contrast((1.0, row, "cache_bytes"), (-1.0, ONE_STATE, "cache_bytes"), ratio=True)
    return Finding(f"cache of {row}", found, low, high, unit="hidden states")
