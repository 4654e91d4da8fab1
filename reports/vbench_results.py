"""What VBench found of each row: a raw value for every dimension it was asked for, and what stands behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.records import CellRecord, DimensionScoreRecord, RowManifest, SuiteManifest
from harness.vbench.aggregators import aggregate
from harness.vbench.outcomes import DimensionLedger, Reached, VideoOutcome, ledger
from harness.vbench.prompts import SAMPLES
from harness.vbench.scores import VBenchScores, Withheld, vbench_scores
from reports.source import RecordSource

AGGREGATOR = "vbench-single"
"""What VBench itself prints in one process."""


@dataclass(frozen=True)
class VBenchRow:
    """One row, by dimension; raw values are 0 to 1."""

    raw: Mapping[str, float | Withheld]
    ledgers: Mapping[str, DimensionLedger]

    @property
    def scores(self) -> VBenchScores:
        """Quality, semantic and total, as far as there are the dimensions for them."""
        return vbench_scores(self.raw)


def vbench_rows(source: RecordSource, manifest: SuiteManifest) -> dict[str, VBenchRow]:
    """By row; empty where the suite does not ask VBench."""
    if not manifest.vbench_dimensions:
        return {}
    scoring = source.scoring(manifest.suite)
    unavailable = scoring.unavailable if scoring is not None else {}
    return {row.row: _row(source, manifest, row, unavailable) for row in manifest.rows if row.skip_reason is None}


def _row(source: RecordSource, manifest: SuiteManifest, row: RowManifest, unavailable: Mapping[str, str]) -> VBenchRow:
    cells, failures = source.cells(row.cell_ids), source.failures(row.cell_ids)
    scores = source.dimension_scores(row.cell_ids)
    raw: dict[str, float | Withheld] = {}
    ledgers = {}
    for dimension in manifest.vbench_dimensions:
        outcomes = [
            _outcome(
                (manifest.prompts[prompt_index], sample_index),
                cells.get(cell_id) or failures.get(cell_id),
                scores.get(cell_id, {}).get(dimension),
                unavailable.get(dimension),
            )
            for cell_id, prompt_index, sample_index in _expected(manifest, row, dimension)
        ]
        ledgers[dimension] = ledger(row.row, dimension, outcomes)
        raw[dimension] = aggregate(AGGREGATOR, dimension, outcomes)
    return VBenchRow(raw, ledgers)


def _expected(manifest: SuiteManifest, row: RowManifest, dimension: str) -> Iterator[tuple[str, int, int]]:
    """The cells that a dimension is to be scored on: of VBench's prompts no more samples than VBench takes."""
    for cell_id, (prompt_index, sample_index) in zip(row.cell_ids, manifest.places(), strict=True):
        counts = not manifest.prompt_dimensions or sample_index < SAMPLES
        if counts and dimension in manifest.asked_dimensions(prompt_index):
            yield cell_id, prompt_index, sample_index


def _outcome(
    place: tuple[str, int],
    cell: CellRecord | None,
    score: DimensionScoreRecord | None,
    unavailable: str | None,
) -> VideoOutcome:
    """What became of one video; `cell` is its last failed attempt where it is not made."""
    if cell is None or cell.video_sha256 is None:
        return VideoOutcome(*place, Reached.EXPECTED, (cell.reason if cell is not None else None) or "not made yet")
    if score is not None and score.video_sha256 == cell.video_sha256:
        if score.status == "undetected":
            return VideoOutcome(*place, Reached.UNDETECTED, score.reason or "undetected")
        if score.status == "ok":
            return VideoOutcome(
                *place,
                Reached.SCORED,
                value=score.value,
                frame_values=score.frame_values,
                video_sha256=score.video_sha256,
            )
    if unavailable is not None:
        return VideoOutcome(*place, Reached.GENERATED, f"unavailable: {unavailable}")
    if score is not None:
        return VideoOutcome(*place, Reached.GENERATED, score.reason or "of another file than this")
    return VideoOutcome(*place, Reached.GENERATED, "not scored yet; `harness score` the suite")
