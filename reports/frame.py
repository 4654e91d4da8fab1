"""Records -> one tidy frame with a line for every planned cell, finished or not.

A number that does not exist is NaN and never 0; why it does not exist is in `status` and `reason` for the cell, and in
`MetricState` for a metric. The frame always has `len(cell_ids)` lines per row, so that a denominator cannot be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from harness.gc_pause import gc_pause
from harness.records import CellRecord, DimensionScoreRecord, RowManifest, ScoreRecord, SuiteManifest
from reports.dimensions import DIMENSIONS, FIDELITY
from reports.environments import device, timing_class
from reports.reading import read
from reports.scores import PERCENT, VBENCH
from reports.source import RecordSource

PENDING: Final = "pending"
"""Status of a planned cell that nobody has tried yet; all other values are `harness.records.Status`."""

COST: Final = (
    "latency_s",
    "text_encode_s",
    "denoise_s",
    "decode_s",
    "flops",
    "text_encode_flops",
    "decode_flops",
    "nfe",
    "peak_memory_bytes",
    "cache_bytes",
)
NUMBERS: Final = COST + FIDELITY + DIMENSIONS


@dataclass(frozen=True)
class MetricState:
    """What became of one metric on one cell: `ok`, `unavailable`, `failed`, or `missing` without a record."""

    status: str
    reason: str | None = None


@dataclass(frozen=True)
class CellFrame:
    """`table` has one line per planned cell; `states` tells, by cell id and metric, what became of each score."""

    table: pd.DataFrame
    states: Mapping[str, Mapping[str, MetricState]]
    records: Mapping[str, CellRecord]
    """The finished cells, by id."""
    judge: str | None
    """The metric whose values are the dimensions; its name labels every score."""


@gc_pause()
def cell_frame(source: RecordSource, manifest: SuiteManifest) -> CellFrame:
    """Collect everything recorded about the suite's cells.

    Columns: row, cell_id, model, method, prompt_index, sample_index, prompt, status, reason, device, timing_class,
    memory_instrument, acted, noise_sha256, video, and the numbers in `NUMBERS` (seconds, operations, bytes, dB, 0..1
    for SSIM and LPIPS, percent for dimensions).
    """
    ids = [cell_id for row in manifest.rows for cell_id in row.cell_ids]
    records, scores = read(source, ids)
    failures = source.failures(cell_id for cell_id in ids if cell_id not in records)
    judge = _judge(manifest, scores)
    by_vbench = source.dimension_scores(ids) if judge == VBENCH else {}
    lines: list[dict[str, Any]] = []
    places = manifest.places()
    for row in manifest.rows:
        # A row that cannot run has no cells.
        for cell_id, (prompt_index, sample_index) in zip(row.cell_ids, places, strict=False):
            line = _EMPTY | dict(
                row=row.row,
                cell_id=cell_id,
                model=row.model_label,
                method=row.method,
                prompt_index=prompt_index,
                sample_index=sample_index,
                prompt=manifest.prompts[prompt_index],
            )
            record = records.get(cell_id)
            if record is None:
                failure = failures.get(cell_id)
                line.update(status=failure.status.value if failure else PENDING, reason=_why(failure))
            else:
                _fill(line, row, record)
                _fill_scores(line, judge, scores.get(cell_id, {}))
                _fill_dimensions(line, by_vbench.get(cell_id, {}))
            lines.append(line)
    table = pd.DataFrame(lines, columns=list(COLUMNS + NUMBERS))
    table = table.astype(dict.fromkeys(NUMBERS, "float64"))
    states = {
        cell_id: {metric: _state(scores.get(cell_id, {}).get(metric)) for metric in manifest.metrics}
        for cell_id in records
    }
    return CellFrame(table, states, records, judge)


COLUMNS: Final = (
    "row",
    "cell_id",
    "model",
    "method",
    "prompt_index",
    "sample_index",
    "prompt",
    "status",
    "reason",
    "device",
    "timing_class",
    "memory_instrument",
    "acted",
    "noise_sha256",
    "video",
)
_EMPTY: Final[dict[str, Any]] = dict.fromkeys(COLUMNS) | dict.fromkeys(NUMBERS, float("nan"))


def _why(failure: CellRecord | None) -> str | None:
    return None if failure is None else failure.reason or failure.status.value


def _fill(line: dict[str, Any], row: RowManifest, record: CellRecord) -> None:
    """Cost and provenance of a finished cell."""
    line.update(
        status=record.status.value,
        reason=record.reason,
        device=device(record.environment),
        timing_class=timing_class(record.environment),
        acted=any(decision.action != "compute" for decision in record.decisions),
        noise_sha256=record.noise_sha256,
        video=record.video,
    )
    if record.latency is not None:
        line.update(
            latency_s=record.latency.total_s,
            text_encode_s=record.latency.text_encode_s,
            denoise_s=record.latency.denoise_s,
            decode_s=record.latency.decode_s,
        )
    if record.flops is not None:
        line.update(
            flops=record.flops.denoiser,
            text_encode_flops=record.flops.text_encode,
            decode_flops=record.flops.decode,
        )
    if record.memory is not None:
        line.update(
            peak_memory_bytes=record.memory.peak_bytes,
            cache_bytes=record.memory.cache_bytes,
            memory_instrument=record.memory.instrument,
        )
    if record.nfe is not None:
        line["nfe"] = record.nfe


def _fill_scores(line: dict[str, Any], judge: str | None, scores: Mapping[str, ScoreRecord]) -> None:
    for metric in FIDELITY:
        score = scores.get(metric)
        if score is not None and score.status == "ok" and (value := score.values.get(metric)) is not None:
            line[metric] = value
    verdict = scores.get(judge) if judge is not None else None
    if verdict is not None and verdict.status == "ok":
        for dimension in DIMENSIONS:
            if (value := verdict.values.get(dimension)) is not None:
                line[dimension] = PERCENT * value


def _fill_dimensions(line: dict[str, Any], scores: Mapping[str, DimensionScoreRecord]) -> None:
    """VBench's, one of which is on another scale."""
    for dimension, score in scores.items():
        if score.value is not None:
            line[dimension] = score.value if dimension == "imaging_quality" else PERCENT * score.value


def _state(score: ScoreRecord | None) -> MetricState:
    return MetricState("missing", "not scored yet") if score is None else MetricState(score.status, score.reason)


def _judge(manifest: SuiteManifest, scores: Mapping[str, Mapping[str, ScoreRecord]]) -> str | None:
    """The suite's first metric that speaks about dimensions, else VBench where the suite asks it; two judges are never
    mixed in one table."""
    candidates = [metric for metric in manifest.metrics if metric not in FIDELITY]
    for metric in candidates:
        if any(set(DIMENSIONS) & set(cell[metric].values) for cell in scores.values() if metric in cell):
            return metric
    return candidates[0] if candidates else VBENCH if manifest.vbench_dimensions else None
