"""A sheet as Markdown."""

from __future__ import annotations

from reports.formats.markdown import render
from reports.ledger import Denominators
from reports.sheet import Block, Cell, Heading, Line, Sheet

HEADINGS = (Heading("Latency", "s", "lower"), Heading("Speedup", "", "higher", "x"))
FULL = Cell("1.50", 1, "-25.0%", undecided=True, interval=("1.40", "1.60"), notes=("Why.",))


def sheet(*cells: Cell, name: str = "a|b") -> Sheet:
    counts = Denominators("a|b", 4, 4, 0, 4, 4, {})
    return Sheet(
        "T", (Block("Wan", HEADINGS, (Line(name, cells, ("About it.",), counts),), "832x480", ("R.",)),), ("L.",)
    )


def test_everything_a_table_can_have() -> None:
    assert render(sheet(FULL, Cell("2.00", 2))).splitlines() == [
        "L.",
        "",
        "**Wan** (832x480)",
        "",
        "| Method | Latency (s) ↓ | Speedup ↑ |",
        "| :--- | ---: | ---: |",
        "| a\\|b ¹ | **1.50** (-25.0%) ≈ [1.40, 1.60] ² | *2.00x* |",
        "",
        "¹ About it.  ",
        "² Why.  ",
        "",
        "R.",
        "",
        "Cells behind the rows:",
        "",
        "- a\\|b: 4 expected, 4 generated, 0 failed, 4 decoded",
        "",
        "Bold is the best and italic the second-best value of a column and block; originals and rows with missing "
        "cells do not compete. Square brackets hold 95 % intervals (paired bootstrap over prompts). ≈ is not "
        "distinguishable from the original: the paired 95 % interval of the difference includes 0.",
    ]


def test_suffix_and_units_go_with_numbers_alone() -> None:
    text = render(sheet(Cell("78", unit="G"), Cell("n/a")))
    assert "| 78 G | n/a |" in text
    assert "| - | +1.0 % |" in render(sheet(Cell("-"), Cell("+1.0", unit="%")))
