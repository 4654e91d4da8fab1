"""Records -> one tidy frame with a line for every planned cell, finished or not.

A number that does not exist is NaN and never 0; why it does not exist is in `status` and `reason` for the cell, and in
`MetricState` for a metric. The frame always has `len(cell_ids)` lines per row, so that a denominator cannot be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import pandas as pd

from harness.records import CellRecord, DimensionScoreRecord, Status, SuiteManifest
from reports.dimensions import DIMENSIONS, FIDELITY
from reports.environments import device, different, timing_class
from reports.from_decisions import FromDecisions
from reports.reading import Score, read
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


MISSING: Final = MetricState("missing", "not scored yet")


@dataclass(frozen=True)
class CellFrame:
    """`table` has one line per planned cell; `states` tells, by cell id and metric, what became of each score."""

    table: pd.DataFrame
    states: Mapping[str, Mapping[str, MetricState]]
    records: Mapping[str, CellRecord]
    """The finished cells, by id."""
    judge: str | None
    """The metric whose values are the dimensions; its name labels every score."""


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
    # Scores of a cell that is to be made again are about a video that is not there.
    scored = [scores.get(cell_id, {}) if cell_id in records else {} for cell_id in ids]
    judged = [
        _dimensions(its_scores.get(judge or ""), by_vbench.get(cell_id, {}) if cell_id in records else {})
        for cell_id, its_scores in zip(ids, scored, strict=True)
    ]
    columns = _planned(manifest) | _outcomes([records.get(cell_id, failures.get(cell_id)) for cell_id in ids])
    columns |= {metric: [_value(its_scores.get(metric), metric) for its_scores in scored] for metric in FIDELITY}
    columns |= {dimension: [its_values.get(dimension) for its_values in judged] for dimension in DIMENSIONS}
    table = pd.DataFrame(columns, columns=list(COLUMNS + NUMBERS))
    table = table.astype(dict.fromkeys(NUMBERS, "float64"))
    states = {
        cell_id: {metric: _state(its_scores.get(metric)) for metric in manifest.metrics}
        for cell_id, its_scores in zip(ids, scored, strict=True)
        if cell_id in records
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

_OF_PARTS: Final = {
    "latency": {
        "latency_s": "total_s",
        "text_encode_s": "text_encode_s",
        "denoise_s": "denoise_s",
        "decode_s": "decode_s",
    },
    "flops": {"flops": "denoiser", "text_encode_flops": "text_encode", "decode_flops": "decode"},
    "memory": {"peak_memory_bytes": "peak_bytes", "cache_bytes": "cache_bytes", "memory_instrument": "instrument"},
}
"""Columns by part of a record, with the field that each holds."""


def _planned(manifest: SuiteManifest) -> dict[str, list[Any]]:
    """What is known of every cell before it is made."""
    # A row that cannot run has no cells.
    cells = [
        (row.row, cell_id, row.model_label, row.method, prompt_index, sample_index, manifest.prompts[prompt_index])
        for row in manifest.rows
        for cell_id, (prompt_index, sample_index) in zip(row.cell_ids, manifest.places(), strict=False)
    ]
    return _columns(("row", "cell_id", "model", "method", "prompt_index", "sample_index", "prompt"), cells)


def _outcomes(last: Sequence[CellRecord | None]) -> dict[str, list[Any]]:
    """What became of each cell's last attempt, where there was one; cost and provenance of those that succeeded."""
    done = [record if record is not None and record.status is Status.OK else None for record in last]
    # At one look at each record: they lie far apart in the memory.
    parts = _fields(done, ("environment", "decisions", "noise_sha256", "video", "nfe", *_OF_PARTS))
    environments, places = different(parts.pop("environment"))
    devices, classes = ([said(environment) for environment in environments] for said in (device, timing_class))
    acted = FromDecisions(lambda decisions: any(decision.action != "compute" for decision in decisions))
    columns: dict[str, list[Any]] = {
        "status": [PENDING if record is None else record.status.value for record in last],
        "reason": [_why(record) for record in last],
        "device": [None if record is None else devices[at] for record, at in zip(done, places, strict=True)],
        "timing_class": [None if record is None else classes[at] for record, at in zip(done, places, strict=True)],
        "acted": [None if decisions is None else acted.of(decisions) for decisions in parts.pop("decisions")],
    }
    for part, fields in _OF_PARTS.items():
        found = _fields(parts.pop(part), fields.values())
        columns |= {name: found[field] for name, field in fields.items()}
    return columns | parts  # of which those are left that are columns as they are


def _fields(parts: Iterable[Any], fields: Collection[str]) -> dict[str, list[Any]]:
    """These fields of each part, by name; None of None."""
    of_one, nothing = attrgetter(*fields), (None,) * len(fields)
    return _columns(fields, [nothing if part is None else of_one(part) for part in parts])


def _columns(names: Iterable[str], lines: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [line[at] for line in lines] for at, name in enumerate(names)}


def _why(record: CellRecord | None) -> str | None:
    if record is None:
        return None
    return record.reason or (None if record.status is Status.OK else record.status.value)


def _value(score: Score | None, name: str) -> float | None:
    return score.values.get(name) if score is not None and score.status == "ok" else None


def _dimensions(verdict: Score | None, by_vbench: Mapping[str, DimensionScoreRecord]) -> dict[str, float]:
    """Those of one cell that have a value; one of VBench's is on another scale."""
    said = verdict.values if verdict is not None and verdict.status == "ok" else {}
    found = {name: PERCENT * value for name in DIMENSIONS if (value := said.get(name)) is not None}
    for name, score in by_vbench.items():
        if score.value is not None:
            found[name] = score.value if name == "imaging_quality" else PERCENT * score.value
    return found


def _state(score: Score | None) -> MetricState:
    return MISSING if score is None else _stated(score.status, score.reason)


@lru_cache
def _stated(status: str, reason: str | None) -> MetricState:
    """One object for all that are equal: there is one for every score."""
    return MetricState(status, reason)


def _judge(manifest: SuiteManifest, scores: Mapping[str, Mapping[str, Score]]) -> str | None:
    """The suite's first metric that speaks about dimensions, else VBench where the suite asks it; two judges are never
    mixed in one table."""
    candidates = [metric for metric in manifest.metrics if metric not in FIDELITY]
    for metric in candidates:
        if any(set(DIMENSIONS) & set(cell[metric].values) for cell in scores.values() if metric in cell):
            return metric
    return candidates[0] if candidates else VBENCH if manifest.vbench_dimensions else None
