"""DisCa (arXiv 2602.05449). Tables 4 to 7 are in its supplementary material. The main paper could not be read here:
the scores of Tables 1 to 3 are from notes on it, and what Table 2 costs is from Table 7, which repeats it.

Restricted MeanFlow is that of R = 0.2 where a row does not say so, as in Tables 2 and 7, also in Table 1, which does:
one row of a suite belongs to all three."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reports.columns import DECIBEL, GIGABYTE, PERCENT, SECOND, TERA
from reports.dimensions import SEMANTIC
from reports.published.rederived import with_speedups
from reports.published.table import PublishedBlock, PublishedColumn, PublishedTable
from reports.published.value import Obtained
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE

PAPER: Final = "DisCa"
SUPPLEMENTARY: Final = "supplementary material"
NOTES: Final = (
    "notes on the paper: zhaoyang97/Paper-Notes-en, docs/CVPR2026/video_generation, and for rows that are not there a "
    "note written by a language model"
)

_HUNYUAN_VIDEO: Final = "hunyuanvideo-community/HunyuanVideo"
_HUNYUAN_VIDEO_15: Final = "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v"
_ORIGINAL: Final = "Original: 50 steps"
_ORIGINAL_I2V: Final = "HunyuanVideo 1.5 [I2V]"
_SCORES: Final = tuple(
    PublishedColumn(score, PERCENT, Obtained.SECOND_HAND, NOTES)
    for score in (SEMANTIC_SCORE, QUALITY_SCORE, TOTAL_SCORE)
)
_FIDELITY: Final = (
    PublishedColumn("model_steps"),
    PublishedColumn("latency_s", SECOND),
    PublishedColumn("lpips"),
    PublishedColumn("psnr", DECIBEL),
    PublishedColumn("ssim"),
)
"""`model_steps` is headed NFE in the paper, but counts the steps that run the whole model."""

TABLE_1: Final = PublishedTable(
    PAPER,
    "Table 1",
    NOTES,
    "Restricted MeanFlow on HunyuanVideo 1.0, VBench; changes against MeanFlow with as many steps",
    (PublishedColumn("speedup", obtained=Obtained.SECOND_HAND), *_SCORES),
    (
        PublishedBlock(
            "50 steps",
            {
                _ORIGINAL: "1.00 73.5 81.5 79.9",
                "CFG Distilled: 50 steps": "1.99 66.7 80.6 77.9",
            },
        ),
        PublishedBlock(
            "20 steps",
            {
                "MeanFlow: 20 steps": "4.96 66.6 81.8 78.8",
                "Restricted MeanFlow (R=0.4): 20 steps": "4.97 70.2(+4.5%) 82.0 79.7",
                "Restricted MeanFlow: 20 steps": "4.97 70.4(+5.7%) 81.8 79.5",
            },
            changes_from="MeanFlow: 20 steps",
        ),
        PublishedBlock(
            "10 steps",
            {
                "MeanFlow: 10 steps": "9.68 60.9 80.6 76.7",
                "Restricted MeanFlow (R=0.4): 10 steps": "9.69 67.6(+11.0%) 81.3 78.6",
                "Restricted MeanFlow: 10 steps": "9.68 68.2(+12.0%) 81.3 78.7",
            },
            changes_from="MeanFlow: 10 steps",
        ),
    ),
    baseline=_ORIGINAL,
    model=_HUNYUAN_VIDEO,
)

TABLE_7: Final = PublishedTable(
    PAPER,
    "Table 7",
    SUPPLEMENTARY,
    "Theoretical and actual acceleration on HunyuanVideo 1.0, 704 x 704, 129 frames, four GPUs in sequence parallel",
    (
        PublishedColumn("peak_memory_bytes", GIGABYTE),
        PublishedColumn("flops", TERA),
        PublishedColumn("flops_speedup"),
        PublishedColumn("theoretical_latency_s", SECOND),
        PublishedColumn("latency_s", SECOND),
        PublishedColumn("speedup"),
    ),
    (
        PublishedBlock(
            "Many steps",
            {
                _ORIGINAL: "99.23 394552.32 1.00 1155.3 1155.3 1.00",
                "CFG Distilled: 50 steps": "97.21 197276.16 2.00 577.7 581.1 1.99",
            },
        ),
        PublishedBlock(
            "Low speed",
            {
                "Original: 10 steps": "99.23 78910.46 5.00 231.1 234.7 4.92",
                "CFG Distilled: 20 steps": "97.21 78910.46 5.00 231.1 234.4 4.93",
                "Delta-DiT (N=5)": "97.68 92068.57 4.29 269.3 306.7 3.77",
                "PAB (N=5)": "121.3 64688.07 6.10 189.4 216.5 5.34",
                "TeaCache (l=0.15)": "97.70 75350.10 5.24 220.5 237.6 4.86",
                "FORA (N=3)": "124.6 78910.46 5.00 231.1 265.7 4.35",
                "TaylorSeer (N=3, O=1)": "130.7 78910.46 5.00 231.1 268.3 4.31",
                "MeanFlow: 20 steps": "97.21 78910.46 5.00 231.1 232.7 4.96",
                "Restricted MeanFlow: 20 steps": "97.21 78910.46 5.00 231.1 232.4 4.97",
                "DisCa (R=0.2, N=2)": "97.64 52239.36 7.55 153.0 152.8 7.56",
            },
        ),
        PublishedBlock(
            "High speed",
            {
                "CFG Distilled: 10 steps": "97.21 39455.23 10.0 115.5 119.7 9.65",
                "Delta-DiT (N=8)": "97.68 84178.00 4.69 246.3 253.7 4.55",
                "PAB (N=8)": "121.3 58058.68 6.80 169.9 178.8 6.46",
                "TeaCache (l=0.4)": "97.70 40779.21 9.68 119.3 125.3 9.22",
                "FORA (N=6)": "124.6 35509.71 11.1 108.3 144.2 8.01",
                "TaylorSeer (N=6, O=1)": "130.7 43400.76 9.09 127.1 166.0 6.96",
                "Restricted MeanFlow: 9 steps": "97.21 35509.71 11.1 104.0 108.3 10.7",
                "DisCa (R=0.2, N=3)": "97.64 44619.05 8.84 130.7 130.7 8.84",
                "DisCa (R=0.2, N=4)": "97.64 33188.56 11.9 97.1 97.7 11.8",
            },
        ),
    ),
    baseline=_ORIGINAL,
    model=_HUNYUAN_VIDEO,
)

_SCORES_2: Final = {
    _ORIGINAL: "73.5 81.5 79.9",
    "CFG Distilled: 50 steps": "66.7 80.6 77.9",
    "Delta-DiT (N=5)": "60.0 76.7 73.3",
    "PAB (N=5)": "53.4 73.1 69.2",
    "TeaCache (l=0.15)": "65.5 80.3 77.4",
    "FORA (N=3)": "63.9 79.7 76.6",
    "TaylorSeer (N=3, O=1)": "65.2 80.6 77.5",
    "MeanFlow: 20 steps": "66.6 81.8 78.8",
    "Restricted MeanFlow: 20 steps": "70.4 81.8 79.5",
    "DisCa (R=0.2, N=2)": "70.8 81.9 79.7",
    "Delta-DiT (N=8)": "42.7 70.9 65.2",
    "PAB (N=8)": "56.3 76.1 72.1",
    "TeaCache (l=0.4)": "62.1 78.7 75.4",
    "FORA (N=6)": "57.5 76.4 72.6",
    "TaylorSeer (N=6, O=1)": "63.7 79.9 76.7",
    "Restricted MeanFlow: 9 steps": "67.8 81.0 78.4",
    "DisCa (R=0.2, N=3)": "70.3 81.8 79.5",
    "DisCa (R=0.2, N=4)": "69.3 81.1 78.8",
}
_COSTS_2: Final = ("peak_memory_bytes", "flops", "latency_s", "speedup")


def _costs_and_scores(row: str) -> str:
    """What Table 7 says of a row, then its scores, which four rows lack in all notes."""
    costs = [value.text for column in _COSTS_2 if (value := TABLE_7.value(row, column)) is not None]
    return " ".join([*costs, _SCORES_2.get(row, "- - -")])


TABLE_2: Final = PublishedTable(
    PAPER,
    "Table 2",
    f"{SUPPLEMENTARY}, Table 7",
    "All methods on HunyuanVideo 1.0, 704 x 704, 129 frames, four GPUs in sequence parallel, VBench",
    (*(column for column in TABLE_7.columns if column.name in _COSTS_2), *_SCORES),
    tuple(replace(block, rows={row: _costs_and_scores(row) for row in block.rows}) for block in TABLE_7.blocks),
    baseline=_ORIGINAL,
    model=_HUNYUAN_VIDEO,
)

TABLE_3: Final = PublishedTable(
    PAPER,
    "Table 3",
    NOTES,
    "Ablation on HunyuanVideo 1.0, VBench. Without Restricted MeanFlow the student is MeanFlow's, without predictor "
    "the cache is a training-free one",
    _SCORES,
    (
        PublishedBlock(
            "Ablation",
            {
                "DisCa (R=0.2, N=4)": "69.3 81.1 78.7",
                "DisCa without Restricted MeanFlow": "65.2(-5.9%) 80.3(-1.0%) 77.3",
                "DisCa without predictor": "67.3(-2.9%) 80.5(-0.7%) 77.9",
                "DisCa without GAN": "68.5(-1.2%) 81.0(-0.1%) 78.5",
            },
            changes_from="DisCa (R=0.2, N=4)",
        ),
    ),
    baseline=_ORIGINAL,
    model=_HUNYUAN_VIDEO,
)

TABLE_4: Final = with_speedups(
    PublishedTable(
        PAPER,
        "Table 4",
        SUPPLEMENTARY,
        "Image-to-video with HunyuanVideo 1.5, 300 pairs, against the videos of 50 steps",
        _FIDELITY,
        (
            PublishedBlock("Original", {_ORIGINAL_I2V: "50 778.1 - - -"}),
            PublishedBlock(
                "8 steps of the model",
                {
                    "TaylorSeer (NFE 8)": "8 123.1 0.2050 19.34 0.7137",
                    "MagCache (NFE 8)": "8 127.6 0.2093 19.03 0.7056",
                    "AdaCache (NFE 8)": "8 129.4 0.2084 19.08 0.7070",
                    "DCM (NFE 8)": "8 124.5 0.2496 18.04 0.6616",
                    "R-MeanFlow (R=0.2) (NFE 8)": "8 124.5 0.1778 19.85 0.7186",
                },
            ),
            PublishedBlock(
                "4 steps of the model",
                {
                    "TaylorSeer (NFE 4)": "4 79.6 0.2470 18.74 0.6996",
                    "MagCache (NFE 4)": "4 64.5 0.2416 18.73 0.7009",
                    "AdaCache (NFE 4)": "4 64.4 0.2551 18.40 0.6889",
                    "DCM (NFE 4)": "4 62.3 0.2450 17.84 0.6686",
                    "DisCa (N=2, R=0.2) (NFE 4)": "4 64.2 0.1942 19.29 0.7071",
                },
            ),
        ),
        baseline=_ORIGINAL_I2V,
        model=_HUNYUAN_VIDEO_15,
    ),
)

TABLE_5: Final = with_speedups(
    PublishedTable(
        PAPER,
        "Table 5",
        SUPPLEMENTARY,
        "The predictor with and without distillation, as Table 4",
        _FIDELITY,
        (
            PublishedBlock(
                "8 steps of the model",
                {
                    "Predictor without distillation (NFE 8)": "8 145.5 0.1904 20.03 0.7278",
                    "R-MeanFlow (R=0.2) (NFE 8)": "8 124.5 0.1778 19.85 0.7186",
                },
            ),
            PublishedBlock(
                "4 steps of the model",
                {
                    "Predictor without distillation (NFE 4)": "4 90.4 0.2498 18.55 0.6963",
                    "DisCa (N=2, R=0.2) (NFE 4)": "4 64.2 0.1942 19.29 0.7071",
                },
            ),
        ),
        baseline=_ORIGINAL_I2V,
        model=_HUNYUAN_VIDEO_15,
    ),
    TABLE_4.value(_ORIGINAL_I2V, "latency_s"),
)

TABLE_6: Final = PublishedTable(
    PAPER,
    "Table 6",
    SUPPLEMENTARY,
    "The semantic score of two rows of Table 2 by dimension. Dimensions are printed raw; the score is the mean of "
    "VBench's normalised ones",
    tuple(PublishedColumn(name, PERCENT) for name in (SEMANTIC_SCORE, *SEMANTIC)),
    (
        PublishedBlock(
            "HunyuanVideo 1.0 [T2V]",
            {
                _ORIGINAL: "73.5(-0.0%) 85.4(-0.0%) 59.5(-0.0%) 96.0(-0.0%) 85.3(-0.0%) 58.5(-0.0%) 46.2(-0.0%) "
                "22.1(-0.0%) 24.7(-0.0%) 27.6(-0.0%)",
                "DisCa (R=0.2, N=4)": "69.3(-5.7%) 79.1(-7.4%) 56.4(-5.2%) 84.8(-11.7%) 84.8(-0.6%) 72.8(+24.4%) "
                "33.2(-28.1%) 20.8(-5.9%) 22.9(-7.3%) 26.3(-4.7%)",
            },
        ),
    ),
    baseline=_ORIGINAL,
    model=_HUNYUAN_VIDEO,
)

TABLES: Final = (TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7)
