"""Efficiency and visual quality side by side: the columns of MixCache's Table 1, plus the FLOPs, function evaluations
and peak memory that latencies alone leave open."""

from __future__ import annotations

from harness.records import RowManifest
from reports.columns import BYTES, DECIBEL, OPERATIONS, PERCENT, SECONDS, Column
from reports.results import Results
from reports.rows import is_original
from reports.scores import SEMANTIC_SCORE, TOTAL_SCORE
from reports.sheet import Block, Cell, Heading, Line, Sheet, estimate_cell

TITLE = "Efficiency and quality"
POSITION = 1


def columns(judge: str) -> tuple[Column, ...]:
    """Left to right. The scores' headings carry the judge's name."""
    return (
        Column("latency_s", "Latency", "lower", 2, SECONDS),
        Column("speedup", "Speedup", "higher", 2, suffix="x"),
        Column("flops", "FLOPs", "lower", 2, OPERATIONS, interval=False),
        Column("nfe", "NFE", "lower", 1, interval=False),
        Column("peak_memory_bytes", "Peak memory", "lower", 1, BYTES, interval=False),
        Column(TOTAL_SCORE, f"{judge} total", "higher", 2, (PERCENT,)),
        Column(SEMANTIC_SCORE, f"{judge} semantic", "higher", 2, (PERCENT,)),
        Column("lpips", "LPIPS", "lower", 3),
        Column("ssim", "SSIM", "higher", 3),
        Column("psnr", "PSNR", "higher", 2, (DECIBEL,)),
    )


def belongs(results: Results) -> bool:
    """In every report."""
    return True


def sheet(results: Results) -> Sheet:
    """One block per model: the original first, then its methods."""
    blocks = tuple(_block(results, model, rows) for model, rows in results.models().items())
    return Sheet(TITLE, blocks, remarks=("Cells: finished of planned.",))


def _setting(row: RowManifest) -> str:
    """`832x480, 81 frames, T = 50` of the sampling, as far as it is stated, and the devices where they are several."""
    sampling = row.sampling
    parts = []
    if "width" in sampling and "height" in sampling:
        parts.append(f"{sampling['width']}x{sampling['height']}")
    if "num_frames" in sampling:
        parts.append(f"{sampling['num_frames']} frames")
    if "num_inference_steps" in sampling:
        parts.append(f"T = {sampling['num_inference_steps']}")
    if row.devices > 1:
        parts.append(f"{row.devices} devices a video")
    return ", ".join(parts) or row.model


def _block(results: Results, model: str, rows: list[RowManifest]) -> Block:
    headings: list[Heading] = []
    cells: dict[str, list[Cell]] = {row.row: [] for row in rows}
    for column in columns(results.judge):
        estimates = {row.row: results.estimate(row.row, column.measure) for row in rows}
        unit = column.unit(estimates.values())
        ranks = column.ranks({row.row: estimates[row.row] for row in rows if not is_original(row)}, unit)
        headings.append(Heading.of(column, unit))
        for row in rows:
            cells[row.row].append(estimate_cell(column, unit, row, estimates[row.row], rank=ranks.get(row.row, 0)))
    headings.append(Heading("Cells"))
    lines = []
    for row in rows:
        counts = results.denominators(row.row)
        finished = f"{counts.generated}/{counts.expected}" if counts is not None else "not run"
        lines.append(Line(row.row, (*cells[row.row], Cell(finished)), denominators=counts))
    return Block(model, tuple(headings), tuple(lines), setting=_setting(rows[0]))
