"""The results as a tracker wants them: single values whose charts are grouped by the part before the slash."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd
from matplotlib.image import imsave

from harness.errors import StoreError
from reports.dimensions import QUALITY, SEMANTIC
from reports.figures.frames import COLUMNS, read_frames, strip
from reports.results import Results
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE
from reports.source import RecordSource

NAMES: Final[dict[str, str]] = {
    "cost/latency_s": "latency_s",
    "cost/denoise_s": "denoise_s",
    "cost/flops": "flops",
    "cost/nfe": "nfe",
    "cost/speedup": "speedup",
    "cost/flops_speedup": "flops_speedup",
    "cost/peak_memory_bytes": "peak_memory_bytes",
    "cost/cache_bytes": "cache_bytes",
    "fidelity/psnr": "psnr",
    "fidelity/ssim": "ssim",
    "fidelity/lpips": "lpips",
    "semantic/score": SEMANTIC_SCORE,
    "quality/score": QUALITY_SCORE,
    "total/score": TOTAL_SCORE,
    **{f"semantic/{name}": name for name in SEMANTIC},
    **{f"quality/{name}": name for name in QUALITY},
}
"""Tracked name -> measure of `reports.estimates`, in its unit."""


@dataclass(frozen=True)
class RowProjection:
    """One row, ready to be tracked. `strip` is a PNG: frames of the row's first video, None without one."""

    metrics: Mapping[str, float]
    cells: pd.DataFrame
    strip: bytes | None


def project(results: Results, source: RecordSource) -> dict[str, RowProjection]:
    """By row name. A value that does not exist is left out of `metrics`."""
    projections = {}
    for line in results.ledger:
        cells = results.cells[results.cells["row"] == line.row]
        metrics = {
            "progress/expected": float(line.expected),
            "progress/generated": float(line.generated),
            "progress/scored": float(line.answered),
            "progress/failed": float(line.failed),
        }
        for name, measure in NAMES.items():
            value = results.estimate(line.row, measure).value
            if value is not None:
                metrics[name] = value
        metrics |= _preferred(results, line.row)
        projections[line.row] = RowProjection(metrics, cells, _strip(cells, source))
    return projections


def _preferred(results: Results, name: str) -> dict[str, float]:
    """What people said: win rate in percent, Bradley and Terry's strength, and the votes behind them."""
    row = results.study.row(name) if results.study is not None else None
    if row is None:
        return {}
    found = {"study/win_rate": row.overall.rate, "study/votes": float(row.overall.votes)}
    return found | ({} if row.strength is None else {"study/strength": row.strength})


def _strip(cells: pd.DataFrame, source: RecordSource) -> bytes | None:
    videos = cells["video"].dropna()
    if videos.empty:
        return None
    try:
        image = strip(read_frames(source, str(videos.iloc[0]), COLUMNS))
    except StoreError:
        return None
    buffer = io.BytesIO()
    imsave(buffer, image, format="png")
    return buffer.getvalue()
