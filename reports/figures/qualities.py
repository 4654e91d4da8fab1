"""What figures of a trade-off mean by quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.records import RowManifest
from reports.results import Results
from reports.scores import SEMANTIC_SCORE, TOTAL_SCORE

FIDELITY: Final = ("psnr", "PSNR against the original (dB)")


def qualities(results: Results, rows: Sequence[RowManifest]) -> list[tuple[str, str]]:
    """Measures, each with the label of its axis: the broadest score that a row has, and PSNR as fidelity.

    A measure that none of the rows has is left out.
    """

    def has(measure: str) -> bool:
        return any(results.estimate(row.row, measure).value is not None for row in rows)

    scores = [(TOTAL_SCORE, "total score"), (SEMANTIC_SCORE, "semantic score")]
    found = [(measure, f"{results.judge} {name} (%)") for measure, name in scores if has(measure)][:1]
    return [*found, FIDELITY] if has(FIDELITY[0]) else found
