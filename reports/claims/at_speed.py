"""A training-free cache against DisCa, each with the speed it was measured at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reports.claims.verdict import Finding
from reports.estimates import SPEEDUP
from reports.results import Results
from reports.scores import SEMANTIC_SCORE

DISCA: Final = ("DisCa (R=0.2, N=2)", "DisCa (R=0.2, N=3)", "DisCa (R=0.2, N=4)")


def speedups(results: Results, cache: str) -> dict[str, float] | str:
    """Measured speedups, over the teacher's 50 steps, of a cache and of DisCa's settings; or why one is missing."""
    found = {}
    for row in (cache, *DISCA):
        if absent := results.why_absent(row, SPEEDUP):
            return absent
        value = results.estimate(row, SPEEDUP).value
        assert value is not None  # or there were a reason
        found[row] = value
    return found


def unknown(cache: str, reason: str, *, decides: bool = True) -> Finding:
    """The comparison with a cache where there is none."""
    return Finding(f"semantic score, DisCa less {cache}", reason, decides=decides)


def disca_less(
    results: Results, disca: str, cache: str, speeds: Mapping[str, float], *, decides: bool = True
) -> Finding:
    """The semantic score of one of DisCa's settings less a cache's, in points."""
    said = f"semantic score, {disca} at {speeds[disca]:.2f}x less {cache} at {speeds[cache]:.2f}x"
    found = results.contrast((1.0, disca, SEMANTIC_SCORE), (-1.0, cache, SEMANTIC_SCORE))
    return Finding(said, found, unit="points", decides=decides)
