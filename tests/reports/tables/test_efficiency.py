"""MixCache's Table 1."""

from __future__ import annotations

from reports.formats.markdown import render
from reports.results import collect
from reports.tables import efficiency
from tests.reports.synthetic import MemorySource, synthetic, troubled


def cells(source: MemorySource) -> dict[str, list[str]]:
    """The rendered table by row name."""
    lines = render(efficiency.sheet(collect(source, source.suite))).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_columns() -> None:
    """Units in the heading, the judge's name on the scores."""
    assert cells(synthetic())["Method"] == [
        "Latency (s) ↓",
        "Speedup ↑",
        "FLOPs (G) ↓",
        "NFE ↓",
        "Peak memory (MB) ↓",
        "shapes total (%) ↑",
        "shapes semantic (%) ↑",
        "LPIPS ↓",
        "SSIM ↑",
        "PSNR (dB) ↑",
        "Cells",
    ]


def test_best_and_second_best() -> None:
    """The original competes in no column."""
    table = cells(synthetic())
    assert table["fewer_steps-10"][0].startswith("**0.4")
    assert table["teacache-0.3"][0].startswith("*0.8")
    assert "*" not in "".join(table["original"])
    assert table["original"][7:10] == ["-", "-", "-"]


def test_row_with_missing_cells_is_not_ranked() -> None:
    """It may be fast because its slow cells are missing."""
    table = cells(troubled())
    assert "*" not in "".join(table["fora-3"])
    assert table["fora-3"][-1] == "10/12"
    assert table["disca"][-1] == "not run"
