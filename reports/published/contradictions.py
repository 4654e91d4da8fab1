"""Where the papers contradict themselves, what was noted of them, or what they describe.

The tests find again what follows from numbers alone, and fail if a contradiction is missing here or is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reports.published.disca import PAPER as DISCA
from reports.published.mixcache import PAPER as MIXCACHE
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE

HEADING: Final = "heading"
"""Stands for a column where the contradiction is in the heading of the row's block."""


class Kind(StrEnum):
    """What a value is contradicted by."""

    DERIVATION = "derivation"
    """What follows from other values of the same table (`reports.published.rederived`)."""
    TABLES = "tables"
    """The same row in another table of the same paper."""
    ORDER = "order"
    """Another row: a faster setting of the same method that is not worse."""
    TEXT = "text"
    """What the paper's text says of it."""
    SOURCES = "sources"
    """Another note on the paper."""
    MODEL = "model"
    """What the model named can do."""


@dataclass(frozen=True)
class Contradiction:
    """One printed value and what speaks against it."""

    paper: str
    table: str
    row: str
    column: str
    """As `reports.published.rederived` names it, or `HEADING`; of several, the first."""
    kind: Kind
    says: str
    """As printed."""
    against: str
    """What contradicts it, with where that is from, in one clause."""


CONTRADICTIONS: Final = (
    Contradiction(
        DISCA,
        "Table 1",
        "Restricted MeanFlow (R=0.4): 20 steps",
        f"{SEMANTIC_SCORE} change",
        Kind.DERIVATION,
        "+4.5",
        "70.2 / 66.6 is +5.4 %",
    ),
    Contradiction(
        DISCA,
        "Table 2",
        "DisCa (R=0.2, N=4)",
        TOTAL_SCORE,
        Kind.TABLES,
        "78.8",
        "Table 3 has 78.7 for the same row; (4 x 81.1 + 69.3) / 5 is 78.74",
    ),
    Contradiction(
        DISCA,
        "Table 2",
        "PAB (N=5)",
        SEMANTIC_SCORE,
        Kind.ORDER,
        "53.4",
        "PAB with N=8 skips more and has 56.3; N=5 is worse in all three scores",
    ),
    Contradiction(
        DISCA,
        "Table 2",
        "PAB (N=8)",
        QUALITY_SCORE,
        Kind.TEXT,
        "76.1",
        "the text (8.2) says PAB's quality dropped by 6.3 %, which is 76.4, printed for FORA (N=6)",
    ),
    Contradiction(
        DISCA,
        "Table 2",
        "TeaCache (l=0.15)",
        "speedup",
        Kind.SOURCES,
        "4.86",
        "the note that its scores are from says 5.00x",
    ),
    Contradiction(
        DISCA,
        "Table 6",
        "DisCa (R=0.2, N=4)",
        SEMANTIC_SCORE,
        Kind.DERIVATION,
        "69.3",
        "its nine dimensions, normalised as VBench does, have a mean of 69.58; the original's give its 73.5",
    ),
    Contradiction(
        DISCA,
        "Table 7",
        "FORA (N=6)",
        "theoretical_latency_s",
        Kind.DERIVATION,
        "108.3",
        "Restricted MeanFlow with 9 steps has the same FLOPs and 104.0 s, which 1155.3 s / 11.1 is; 108.3 s is the "
        "measured latency of that row",
    ),
    Contradiction(
        MIXCACHE,
        "Table 1",
        "Wan 14B 480p: BlockDance 4",
        "speedup",
        Kind.DERIVATION,
        "1.29",
        "900 s / 679 s is 1.33",
    ),
    Contradiction(
        MIXCACHE,
        "Table 1",
        "HunyuanVideo 544p: MixCache effi",
        "speedup",
        Kind.DERIVATION,
        "1.97",
        "2289 s / 1151 s is 1.99",
    ),
    Contradiction(
        MIXCACHE,
        "Table 1",
        "CogVideoX 5B: original",
        HEADING,
        Kind.MODEL,
        "820 x 480",
        "820 is not a multiple of 16, as CogVideoX needs; 720 x 480 is what it makes",
    ),
    Contradiction(
        MIXCACHE,
        "Table 2",
        "hybrid + N=4",
        "speedup",
        Kind.DERIVATION,
        "1.51",
        "900 s / 593 s is 1.52",
    ),
)
