"""The columns that papers' tables are made of, each once. Units are those the papers print in, and larger or smaller
ones for a model of another size."""

from __future__ import annotations

from typing import Final

from reports.columns import BYTES, DECIBEL, OPERATIONS, PERCENT, SECONDS, Column
from reports.dimensions import SEMANTIC, title
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE

PEAK_MEMORY: Final = Column("peak_memory_bytes", "Peak VRAM", "lower", 2, BYTES, interval=False)
CACHE: Final = Column("cache_bytes", "Cache", "lower", 2, BYTES, interval=False)
FLOPS: Final = Column("flops", "FLOPs", "lower", 2, OPERATIONS, interval=False)
FLOPS_SPEEDUP: Final = Column("flops_speedup", "Theoretical speedup", "higher", 2, suffix="x")
LATENCY: Final = Column("latency_s", "Latency", "lower", 2, SECONDS)
SPEEDUP: Final = Column("speedup", "Speedup", "higher", 2, suffix="x")
SEMANTIC_PERCENT: Final = Column(SEMANTIC_SCORE, "Semantic", "higher", 1, (PERCENT,))
QUALITY_PERCENT: Final = Column(QUALITY_SCORE, "Quality", "higher", 1, (PERCENT,))
TOTAL_PERCENT: Final = Column(TOTAL_SCORE, "Total", "higher", 1, (PERCENT,))
VBENCH: Final = Column(TOTAL_SCORE, "VBench", "higher", 2, (PERCENT,))
LPIPS: Final = Column("lpips", "LPIPS", "lower", 4)
PSNR: Final = Column("psnr", "PSNR", "higher", 2, (DECIBEL,))
SSIM: Final = Column("ssim", "SSIM", "higher", 4)
SEMANTIC_DIMENSIONS: Final = tuple(
    Column(name, title(name), "higher", 1, (PERCENT,), interval=False) for name in SEMANTIC
)
THEORETICAL_LATENCY: Final = Column("theoretical_latency_s", "Theoretical latency", "lower", 1, SECONDS)
"""What the original's latency would be over the theoretical speedup. Only papers print it."""
MODEL_STEPS: Final = Column("model_steps", "Steps of the model", "lower", 0)
"""Steps that compute the whole model. Only papers print it: here NFE is counted in FLOPs."""
