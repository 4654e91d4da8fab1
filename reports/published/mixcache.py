"""MixCache (arXiv 2508.12691): all of its tables. Rows are named as in suites/mixcache_table*.yaml."""

from __future__ import annotations

from typing import Final

from reports.columns import DECIBEL, GIGABYTE, PERCENT, SECOND
from reports.published.rederived import with_speedups
from reports.published.table import PublishedBlock, PublishedColumn, PublishedTable
from reports.scores import TOTAL_SCORE

PAPER: Final = "MixCache"
SOURCE: Final = "the paper"

_WAN: Final = "Wan-AI/Wan2.1-T2V-14B-Diffusers"
_FIDELITY: Final = (PublishedColumn("lpips"), PublishedColumn("psnr", DECIBEL), PublishedColumn("ssim"))

TABLE_1: Final = PublishedTable(
    PAPER,
    "Table 1",
    SOURCE,
    "Efficiency and visual quality, 4720 videos of VBench a row, A800",
    (
        PublishedColumn(TOTAL_SCORE, PERCENT),
        *_FIDELITY,
        PublishedColumn("latency_s", SECOND),
        PublishedColumn("speedup"),
    ),
    (
        PublishedBlock(
            "Wan 14B (832 x 480, 5 s, 81 frames, T = 50)",
            {
                "Wan 14B 480p: original": "84.05 - - - 900 -",
                "Wan 14B 480p: TeaCache 0.1": "84.01 0.147 22.17 0.786 849 1.06",
                "Wan 14B 480p: TeaCache 0.14": "83.95 0.244 18.60 0.688 612 1.47",
                "Wan 14B 480p: FasterCache": "83.40 0.140 23.26 0.796 633 1.42",
                "Wan 14B 480p: BlockDance 4": "83.48 0.129 24.01 0.811 679 1.29",
                "Wan 14B 480p: PAB 8, (100, 800)": "83.00 0.166 22.29 0.772 717 1.25",
                "Wan 14B 480p: MixCache acc": "83.97 0.124 23.45 0.814 528 1.70",
                "Wan 14B 480p: MixCache effi": "83.90 0.132 22.94 0.804 465 1.94",
            },
            baseline="Wan 14B 480p: original",
            model=_WAN,
        ),
        PublishedBlock(
            "Wan 14B (1280 x 720, 5 s, 81 frames, T = 50)",
            {
                "Wan 14B 720p: original": "83.66 - - - 3168 -",
                "Wan 14B 720p: TeaCache 0.1": "83.75 0.148 22.58 0.813 2988 1.06",
                "Wan 14B 720p: TeaCache 0.14": "83.78 0.237 19.24 0.732 2155 1.47",
                "Wan 14B 720p: FasterCache": "83.12 0.156 22.97 0.806 2230 1.42",
                "Wan 14B 720p: BlockDance 4": "83.43 0.136 23.70 0.820 2455 1.29",
                "Wan 14B 720p: PAB 8, (100, 800)": "83.32 0.195 21.41 0.775 2534 1.25",
                "Wan 14B 720p: MixCache acc": "83.74 0.132 23.88 0.824 1951 1.62",
                "Wan 14B 720p: MixCache effi": "83.70 0.146 22.81 0.815 1742 1.82",
            },
            baseline="Wan 14B 720p: original",
            model=_WAN,
        ),
        PublishedBlock(
            "HunyuanVideo (960 x 544, 5 s, 129 frames, T = 50)",
            {
                "HunyuanVideo 544p: original": "81.13 - - - 2289 -",
                "HunyuanVideo 544p: TeaCache 0.1": "80.87 0.247 17.57 0.734 1421 1.61",
                "HunyuanVideo 544p: BlockDance 4": "80.93 0.051 28.80 0.897 1646 1.39",
                "HunyuanVideo 544p: PAB 8, (100, 800)": "80.64 0.066 28.56 0.901 1847 1.24",
                "HunyuanVideo 544p: MixCache acc": "81.05 0.047 28.37 0.921 1240 1.84",
                "HunyuanVideo 544p: MixCache effi": "80.98 0.060 26.86 0.906 1151 1.97",
            },
            baseline="HunyuanVideo 544p: original",
            model="hunyuanvideo-community/HunyuanVideo",
        ),
        PublishedBlock(
            "CogVideoX 5B (820 x 480, 6 s, 49 frames, T = 50)",
            {
                "CogVideoX 5B: original": "80.89 - - - 443 -",
                "CogVideoX 5B: TeaCache 0.1": "80.15 0.239 20.42 0.741 289 1.53",
                "CogVideoX 5B: BlockDance 4": "74.34 0.349 24.76 0.750 348 1.27",
                "CogVideoX 5B: PAB 8, (100, 800)": "78.67 0.235 21.69 0.770 293 1.51",
                "CogVideoX 5B: MixCache acc": "80.10 0.089 34.33 0.892 287 1.54",
                "CogVideoX 5B: MixCache effi": "80.15 0.160 26.86 0.880 256 1.73",
            },
            baseline="CogVideoX 5B: original",
            model="zai-org/CogVideoX-5b",
        ),
    ),
)

TABLE_2: Final = PublishedTable(
    PAPER,
    "Table 2",
    SOURCE,
    "Ablation of interval scaling, penalty and levels on Wan 14B at 480p, 200 prompts of VBench",
    (*_FIDELITY, PublishedColumn("latency_s", SECOND), PublishedColumn("speedup")),
    (
        PublishedBlock(
            "Wan 14B 480p",
            {
                "original": "- - - 900 -",
                "hybrid + N=4": "0.082 25.74 0.854 593 1.51",
                "step only + N_eff": "0.147 22.25 0.775 545 1.65",
                "cfg only + N_eff": "0.080 25.90 0.853 623 1.44",
                "block only + N_eff": "0.114 24.62 0.809 537 1.67",
                "MixCache eff without penalty": "0.102 23.75 0.796 525 1.71",
                "MixCache eff with penalty": "0.079 25.91 0.858 465 1.94",
            },
            baseline="original",
            model=_WAN,
        ),
    ),
)

TABLE_3: Final = with_speedups(
    PublishedTable(
        PAPER,
        "Table 3",
        SOURCE,
        "Block candidates on Wan 14B at 480p, 200 prompts of VBench",
        (*_FIDELITY, PublishedColumn("latency_s", SECOND), PublishedColumn("cache_bytes", GIGABYTE)),
        (
            PublishedBlock(
                "Wan 14B 480p",
                {
                    "blocks (20)": "0.093 25.04 0.803 483 0.64",
                    "blocks (10, 30)": "0.089 25.22 0.821 470 1.27",
                    "blocks (10, 20, 30)": "0.079 25.91 0.858 465 1.89",
                    "blocks (10, 15, 20, 25, 30, 35)": "0.080 25.86 0.849 468 3.77",
                },
                baseline="original",
                model=_WAN,
            ),
        ),
    ),
    TABLE_2.value("original", "latency_s"),
)

TABLES: Final = (TABLE_1, TABLE_2, TABLE_3)
