"""A sheet as comma-separated values."""

from __future__ import annotations

import csv
import io

from reports.formats.csv import render
from reports.results import collect
from reports.sheet import Block, Cell, Heading, Line, Sheet
from reports.tables import disca_table7
from tests.reports.formats.test_markdown_format import FULL, sheet
from tests.reports.paper_suite import paper_suite


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_everything_a_table_can_have() -> None:
    (line,) = read(render(sheet(FULL, Cell("2.00", 2))))
    assert line == {
        "Block": "Wan",
        "Method": "a|b",
        "Latency (s)": "1.50",
        "Latency, change (%)": "-25.0",
        "Latency (s), 95 % low": "1.40",
        "Latency (s), 95 % high": "1.60",
        "Latency, distinguishable": "no",
        "Speedup": "2.00",
        "Cells expected": "4",
        "Cells generated": "4",
        "Cells failed": "0",
        "Cells decoded": "4",
        "Notes": "About it. Why.",
    }


def test_words_in_a_numbers_place_are_left_out() -> None:
    (line,) = read(render(sheet(Cell("n/a", notes=("Not run: why.",)), Cell("-"))))
    assert (line["Latency (s)"], line["Speedup"], line["Notes"]) == ("", "", "About it. Not run: why.")


def test_blocks_with_other_units_have_other_columns() -> None:
    blocks = tuple(
        Block(unit, (Heading("FLOPs", unit),), (Line("a", (Cell("1", interval=("0", "2")),)),)) for unit in ("G", "T")
    )
    text = render(Sheet("T", blocks))
    intervals = [f"FLOPs ({unit}), 95 % {end}" for unit in ("G", "T") for end in ("low", "high")]
    header = ["Block", "Method", "FLOPs (G)", *intervals[:2], "FLOPs (T)", *intervals[2:]]
    assert next(csv.reader(text.splitlines())) == header
    assert [line["FLOPs (T)"] for line in read(text)] == ["", "1"]


def test_a_papers_table() -> None:
    source = paper_suite()
    lines = read(render(disca_table7.sheet(collect(source, source.suite))))
    pab = {line["Values"]: line for line in lines if line["Method"] == "PAB (N=5)"}
    assert pab["paper"]["FLOPs (T)"] == "64688.07"
    assert (pab["ours"]["FLOPs (T)"], pab["ours"]["FLOPs (T), other unit"]) == ("78.43", "G")
    assert pab["ours"]["Cells scored by psnr"] == "12"
    assert (pab["difference"]["Speedup, other unit"], pab["paper"]["Cells expected"]) == ("%", "")
