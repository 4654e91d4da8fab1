"""What is missing, sentence by sentence."""

from __future__ import annotations

from reports.missing import NOTHING, section
from reports.results import collect
from tests.reports.synthetic import change, synthetic


def test_nothing_missing() -> None:
    """A complete suite says so in one line."""
    source = synthetic(metrics=("psnr", "ssim", "shapes"))
    assert section(collect(source, source.suite))[0] == NOTHING


def test_operators_that_were_not_counted() -> None:
    """FLOPs with a hole in them are named."""
    source = synthetic()
    cell_id = source.suite.rows[0].cell_ids[0]
    flops = source.done[cell_id].flops
    assert flops is not None
    change(source, cell_id, flops=flops.model_copy(update={"unseen_ops": ("aten::fft_fft2",)}))
    lines = section(collect(source, source.suite))
    assert "- FLOPs leave out operators without a formula: aten::fft_fft2" in lines


def test_method_that_did_nothing() -> None:
    """A cache that never hits measures the original twice."""
    source = synthetic()
    row = next(row for row in source.suite.rows if row.row == "pab")
    for cell_id in row.cell_ids:
        change(source, cell_id, decisions=())
    assert "- `pab`: in 12 of 12 cells the method skipped nothing" in section(collect(source, source.suite))


def test_videos_equal_to_the_original() -> None:
    """Their PSNR is a cap, not a measurement."""
    source = synthetic()
    row = next(row for row in source.suite.rows if row.row == "teacache-0.1")
    score = source.scored[row.cell_ids[0]]["psnr"]
    source.scored[row.cell_ids[0]]["psnr"] = score.model_copy(update={"values": {"psnr": 100.0}})
    text = "\n".join(section(collect(source, source.suite)))
    assert "`teacache-0.1`: in 1 of 12 cells the video equals the original's" in text
