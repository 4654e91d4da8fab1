"""Efficiency and visual quality side by side: the columns of MixCache's Table 1, plus the FLOPs, function evaluations
and peak memory that latencies alone leave open."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import RowManifest
from reports.columns import BYTES, OPERATIONS, SECONDS, Column, Unit
from reports.estimates import Estimate
from reports.markdown import ABSENT, NOT_APPLICABLE, UNDECIDED, Footnotes, bold, escape, italic, sentence, table
from reports.results import Results
from reports.rows import is_original
from reports.scores import SEMANTIC_SCORE, TOTAL_SCORE

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
        Column(TOTAL_SCORE, f"{judge} total", "higher", 2, (Unit("%"),)),
        Column(SEMANTIC_SCORE, f"{judge} semantic", "higher", 2, (Unit("%"),)),
        Column("lpips", "LPIPS", "lower", 3),
        Column("ssim", "SSIM", "higher", 3),
        Column("psnr", "PSNR", "higher", 2, (Unit("dB"),)),
    )


def render(results: Results) -> list[str]:
    """One table per model: the original first, then its methods."""
    lines: list[str] = []
    for model, rows in results.models().items():
        lines += [f"**{escape(model)}** ({_setting(rows[0])})", "", *_model_table(results, rows), ""]
    return [
        *lines,
        "Bold is the best and italic the second-best value of a column; originals and rows with missing cells do not "
        "compete. Brackets hold 95 % intervals (paired bootstrap over prompts). ≈ marks a value that cannot be told "
        "from the original's: the paired interval of their difference includes 0. Cells: finished of planned.",
    ]


def _setting(row: RowManifest) -> str:
    """`832x480, 81 frames, T = 50` of the sampling, as far as it is stated."""
    sampling = row.sampling
    parts = []
    if "width" in sampling and "height" in sampling:
        parts.append(f"{sampling['width']}x{sampling['height']}")
    if "num_frames" in sampling:
        parts.append(f"{sampling['num_frames']} frames")
    if "num_inference_steps" in sampling:
        parts.append(f"T = {sampling['num_inference_steps']}")
    return ", ".join(parts) or row.model


def _model_table(results: Results, rows: list[RowManifest]) -> list[str]:
    notes = Footnotes()
    chosen = columns(results.judge)
    units = {}
    ranks = {}
    for column in chosen:
        estimates = {row.row: results.estimate(row.row, column.measure) for row in rows}
        units[column] = column.unit(estimates.values())
        contestants = {row.row: estimates[row.row] for row in rows if not is_original(row)}
        ranks[column] = column.ranks(contestants, units[column])
    ledger = {line.row: line for line in results.ledger}
    lines = []
    for row in rows:
        cells = [
            _cell(column, units[column], row, results.estimate(row.row, column.measure), ranks[column], notes)
            for column in chosen
        ]
        finished = "not run" if row.skip_reason else f"{ledger[row.row].generated}/{ledger[row.row].expected}"
        lines.append([escape(row.row), *cells, finished])
    headings = ["Method", *(column.heading(units[column]) for column in chosen), "Cells"]
    return [*table(headings, lines), "", *notes.lines()]


def _cell(
    column: Column, unit: Unit, row: RowManifest, estimate: Estimate, ranks: Mapping[str, int], notes: Footnotes
) -> str:
    if estimate.value is None:
        if is_original(row) and estimate.expected == 0 and row.skip_reason is None:
            return NOT_APPLICABLE
        return f"{ABSENT} {notes.mark(sentence(estimate))}"
    text = column.number(estimate.value, unit)
    rank = ranks.get(row.row)
    text = bold(text) if rank == 1 else italic(text) if rank == 2 else text
    if estimate.difference is not None and estimate.difference.distinguishable is False:
        text += f" {UNDECIDED}"
    if column.interval and estimate.interval is not None:
        text += f" {column.bracket(estimate.interval, unit)}"
    if not estimate.complete:
        text += f" {notes.mark(sentence(estimate))}"
    return text
