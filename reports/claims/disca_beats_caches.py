"""DisCa against the training-free caches of Table 2.

Held to: for each cache and setting, on the CFG-distilled model, that some setting of DisCa is at least as fast as (by
measured latency): the semantic score of the slowest such setting less the cache's is above 0. A cache that is faster
than all of DisCa's settings is told beside it; the claim is silent about it.
"""

from __future__ import annotations

from typing import Final

from reports.claims.at_speed import DISCA, disca_less, speedups, unknown
from reports.claims.verdict import Finding
from reports.results import Results

LETTER: Final = "b"
STATEMENT: Final = "DisCa beats every training-free cache at equal or higher speedup in semantic score."
SOURCE: Final = "DisCa Table 2"

CACHES: Final = (
    "Delta-DiT (N=5)",
    "PAB (N=5)",
    "TeaCache (l=0.15)",
    "FORA (N=3)",
    "TaylorSeer (N=3, O=1)",
    "Delta-DiT (N=8)",
    "PAB (N=8)",
    "TeaCache (l=0.4)",
    "FORA (N=6)",
    "TaylorSeer (N=6, O=1)",
)


def findings(results: Results) -> list[Finding]:
    """Score points."""
    return [_against(results, cache) for cache in CACHES]


def _against(results: Results, cache: str) -> Finding:
    speeds = speedups(results, cache)
    if isinstance(speeds, str):
        return unknown(cache, speeds)
    as_fast = [disca for disca in DISCA if speeds[disca] >= speeds[cache]]
    if not as_fast:
        return unknown(cache, f"at {speeds[cache]:.2f}x it is faster than every setting of DisCa", decides=False)
    return disca_less(results, min(as_fast, key=lambda disca: speeds[disca]), cache, speeds)
