"""AdaCache (arXiv 2411.02397), supplementary material: Table A.1, which is two tables side by side.

Rows are named as in suites/adacache_a1_*.yaml."""

from __future__ import annotations

from typing import Final

from reports.columns import PERCENT, SECOND
from reports.published.table import PublishedBlock, PublishedColumn, PublishedTable
from reports.scores import TOTAL_SCORE

PAPER: Final = "AdaCache supplementary"
SOURCE: Final = "supplementary material"

TABLE_A1_LEFT: Final = PublishedTable(
    PAPER,
    "Table A.1 (left)",
    SOURCE,
    "Class-conditional images of DiT-XL/2",
    (
        PublishedColumn("fid"),
        PublishedColumn("sfid"),
        PublishedColumn("inception_score"),
        PublishedColumn("precision"),
        PublishedColumn("recall"),
        PublishedColumn("latency_s", SECOND),
        PublishedColumn("speedup"),
    ),
    (
        PublishedBlock(
            "DiT-XL/2",
            {
                "DiT-XL/2": "2.30 4.56 276.56 0.83 0.58 16.15 1.00",
                "FORA (Thres=3)": "2.82 6.04 253.96 0.80 0.58 6.68 2.42",
                "FORA (Thres=5)": "4.97 9.15 222.97 0.76 0.59 4.80 3.36",
                "AdaCache": "3.27 7.19 243.21 0.79 0.59 5.98 2.70",
            },
            baseline="DiT-XL/2",
            model="facebook/DiT-XL-2-256",
        ),
    ),
)

TABLE_A1_RIGHT: Final = PublishedTable(
    PAPER,
    "Table A.1 (right)",
    SOURCE,
    "CogVideoX-2B, 480p, 6 s, prompts of Open-Sora's gallery",
    (PublishedColumn(TOTAL_SCORE, PERCENT), PublishedColumn("latency_s", SECOND), PublishedColumn("speedup")),
    (
        PublishedBlock(
            "CogVideoX-2B",
            {
                "CogVideoX-2B": "82.20 152.70 1.00",
                "FasterCache": "82.13 102.32 1.49",
                "AdaCache-fast": "82.00 92.51 1.65",
                "AdaCache-slow": "82.46 102.47 1.49",
            },
            baseline="CogVideoX-2B",
            model="zai-org/CogVideoX-2b",
        ),
    ),
)

TABLES: Final = (TABLE_A1_LEFT, TABLE_A1_RIGHT)
