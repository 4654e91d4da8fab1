"""AdaCache (arXiv 2411.02397): Table 1 of the main paper. Its supplementary material is in
`reports.published.adacache_supplementary`."""

from __future__ import annotations

from typing import Final

from reports.columns import DECIBEL, PERCENT, SECOND, TERA
from reports.published.table import PublishedBlock, PublishedColumn, PublishedTable
from reports.scores import TOTAL_SCORE

PAPER: Final = "AdaCache"

TABLE_1: Final = PublishedTable(
    PAPER,
    "Table 1",
    "the paper",
    "Quality and complexity on three models, more than 900 videos of VBench a row, A100",
    (
        PublishedColumn(TOTAL_SCORE, PERCENT),
        PublishedColumn("psnr", DECIBEL),
        PublishedColumn("lpips"),
        PublishedColumn("ssim"),
        PublishedColumn("flops", TERA),
        PublishedColumn("latency_s", SECOND),
        PublishedColumn("speedup"),
    ),
    (
        PublishedBlock(
            "Open-Sora (480p, 2 s, T = 30)",
            {
                "Open-Sora": "79.22 - - - 3230.24 54.02 1.00",
                "Open-Sora: Delta-DiT": "78.21 11.91 0.5692 0.4811 3166.47 - -",
                "Open-Sora: T-GATE": "77.61 15.50 0.3495 0.6760 2818.40 49.11 1.10",
                "Open-Sora: PAB-fast": "76.95 23.58 0.1743 0.8220 2558.25 40.23 1.34",
                "Open-Sora: PAB-slow": "78.51 27.04 0.0925 0.8847 2657.70 44.93 1.20",
                "Open-Sora: AdaCache-fast": "79.39 24.92 0.0981 0.8375 1331.97 24.16 2.24",
                "Open-Sora: AdaCache-fast with MoReg": "79.48 25.78 0.0867 0.8530 1383.66 25.71 2.10",
                "Open-Sora: AdaCache-slow": "79.66 29.97 0.0456 0.9085 2195.50 37.01 1.46",
            },
            baseline="Open-Sora",
        ),
        PublishedBlock(
            "Open-Sora-Plan (512 x 512, 2.7 s, T = 150)",
            {
                "Open-Sora-Plan": "80.39 - - - 12032.40 129.67 1.00",
                "Open-Sora-Plan: Delta-DiT": "77.55 13.85 0.5388 0.3736 12027.72 - -",
                "Open-Sora-Plan: T-GATE": "80.15 18.32 0.3066 0.6219 10663.32 113.75 1.14",
                "Open-Sora-Plan: PAB-fast": "71.81 15.47 0.5499 0.4717 8551.26 89.56 1.45",
                "Open-Sora-Plan: PAB-slow": "80.30 18.80 0.3059 0.6550 9276.57 98.50 1.32",
                "Open-Sora-Plan: AdaCache-fast": "75.83 13.53 0.5465 0.4309 3283.60 35.04 3.70",
                "Open-Sora-Plan: AdaCache-fast with MoReg": "79.30 17.69 0.3745 0.6147 3473.68 36.77 3.53",
                "Open-Sora-Plan: AdaCache-slow": "80.50 22.98 0.1737 0.7910 4983.30 58.88 2.20",
            },
            baseline="Open-Sora-Plan",
        ),
        PublishedBlock(
            "Latte (512 x 512, 2 s, T = 50)",
            {
                "Latte": "77.40 - - - 3439.47 32.45 1.00",
                "Latte: Delta-DiT": "52.00 8.65 0.8513 0.1078 3437.33 - -",
                "Latte: T-GATE": "75.42 19.55 0.2612 0.6927 3059.02 29.23 1.11",
                "Latte: PAB-fast": "73.13 17.16 0.3903 0.6421 2576.77 24.33 1.33",
                "Latte: PAB-slow": "76.32 19.71 0.2699 0.7014 2767.22 26.20 1.24",
                "Latte: AdaCache-fast": "76.26 17.70 0.3522 0.6659 1010.33 11.85 2.74",
                "Latte: AdaCache-fast with MoReg": "76.47 18.16 0.3222 0.6832 1187.31 13.20 2.46",
                "Latte: AdaCache-slow": "77.07 22.78 0.1737 0.8030 2023.65 20.35 1.59",
            },
            baseline="Latte",
            model="maxin-cn/Latte-1",
        ),
    ),
)

TABLES: Final = (TABLE_1,)
