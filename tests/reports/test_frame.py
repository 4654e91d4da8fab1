"""Records into a frame with one line per planned cell."""

from __future__ import annotations

import math

from reports.frame import cell_frame
from tests.reports.synthetic import synthetic, troubled


def test_one_line_per_planned_cell() -> None:
    """Cells that failed or were never tried keep their line, without numbers."""
    source = troubled()
    table = cell_frame(source, source.suite).table
    assert len(table) == sum(len(row.cell_ids) for row in source.suite.rows)
    fora = table[table["row"] == "fora-3"].set_index(["prompt_index", "sample_index"])
    assert fora.loc[(1, 0), "status"] == "oom"
    assert fora.loc[(1, 0), "reason"] == "CUDA out of memory, 3.2 GB asked for"
    assert fora.loc[(2, 1), "status"] == "pending"
    assert fora["latency_s"].isna().loc[(1, 0)]
    assert fora["object_class"].isna().loc[(2, 1)]


def test_numbers_and_units() -> None:
    """Dimensions become percent; a None stays absent; the rest is taken over as recorded."""
    source = synthetic()
    row = source.suite.rows[1]
    frame = cell_frame(source, source.suite)
    line = frame.table[frame.table["cell_id"] == row.cell_ids[3]].iloc[0]
    record, scores = source.done[row.cell_ids[3]], source.scored[row.cell_ids[3]]
    assert frame.judge == "shapes"
    assert record.latency is not None
    assert record.flops is not None
    assert line["latency_s"] == record.latency.total_s
    assert line["flops"] == record.flops.denoiser
    assert line["psnr"] == scores["psnr"].values["psnr"]
    assert line["object_class"] == 100 * (scores["shapes"].values["object_class"] or 0)
    assert math.isnan(line["multiple_objects"])
    assert math.isnan(line["lpips"])
    assert frame.states[row.cell_ids[3]]["lpips"].status == "unavailable"


def test_metric_without_a_record_is_missing_not_zero() -> None:
    """Scoring may not have got to a cell."""
    source = synthetic()
    cell_id = source.suite.rows[1].cell_ids[0]
    del source.scored[cell_id]["ssim"]
    state = cell_frame(source, source.suite).states[cell_id]["ssim"]
    assert (state.status, state.reason) == ("missing", "not scored yet")
