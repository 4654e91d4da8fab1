"""Metrics of a row's images as a set, in the shape of estimates: one number for all cells, so no interval."""

from __future__ import annotations

from typing import Final

from harness.records import RowManifest
from reports.columns import Column
from reports.estimates import Estimate
from reports.results import Results

COLUMNS: Final = {
    Column("fid", "FID", "lower", 2): "fid",
    Column("sfid", "sFID", "lower", 2): "sfid",
    Column("inception_score", "IS", "higher", 2): "inception_score",
    Column("precision", "Precision", "higher", 3): "precision_recall",
    Column("recall", "Recall", "higher", 3): "precision_recall",
}
"""With the metric that gives each."""
METRICS: Final = {column.measure: metric for column, metric in COLUMNS.items()}


def set_estimate(results: Results, row: RowManifest, value: str) -> Estimate:
    """One of `METRICS`' values of a row; None with its reason where the set was not scored."""
    record, cells = results.set_scores.get(row.row, {}).get(METRICS[value]), len(row.cell_ids)
    if record is not None and record.status == "ok":
        return Estimate(row.row, value, record.values[value], None, record.images, cells, len(results.manifest.prompts))
    reason = row.skip_reason or (record.reason if record is not None else None) or "not scored yet: harness score"
    return Estimate(row.row, value, None, None, 0, cells, 0, reason)
