"""Tables before they are written: cells, notes, denominators."""

from __future__ import annotations

import pytest

from reports.bootstrap import Interval
from reports.columns import SECOND, SECONDS, Column
from reports.estimates import Difference, Estimate
from reports.ledger import Denominators
from reports.sheet import Block, Cell, Heading, Line, Sheet, estimate_cell, legend, told_denominators
from tests.reports.synthetic import synthetic

LATENCY = Column("latency_s", "Latency", "lower", 2, SECONDS)
ORIGINAL, ROW = synthetic(prompts=1, samples=1).suite.rows[:2]


def counts(row: str, generated: int = 4) -> Denominators:
    return Denominators(row, 4, generated, 4 - generated, generated, generated, {"psnr": generated})


def test_estimate() -> None:
    difference = Difference(-0.5, -0.25, Interval(-0.6, 0.1), 4)
    estimate = Estimate("a", "latency_s", 1.5, Interval(1.4, 1.625), 3, 4, 2, "1 x oom", difference)
    cell = estimate_cell(LATENCY, SECOND, ROW, estimate, rank=2, change=True)
    assert cell == Cell(
        "1.50", 2, "-25.0%", undecided=True, interval=("1.40", "1.62"), notes=("From 3 of 4 cells (1 x oom).",)
    )


def test_absent_estimate_says_why() -> None:
    missing = Estimate("a", "latency_s", None, None, 0, 4, 0, "not generated\nyet.")
    assert estimate_cell(LATENCY, SECOND, ROW, missing) == Cell("n/a", notes=("Not generated yet.",))


def test_nothing_is_expected_of_an_original() -> None:
    unasked = Estimate("original", "psnr", None, None, 0, 0, 0, "the original is what the others are compared with")
    assert estimate_cell(LATENCY, SECOND, ORIGINAL, unasked) == Cell("-")
    assert estimate_cell(LATENCY, SECOND, ORIGINAL.model_copy(update={"skip_reason": "no"}), unasked).text == "n/a"


def test_equal_notes_share_a_number() -> None:
    first, second = Cell("1", notes=("one", "two")), Cell("2", notes=("two",))
    block = Block("B", (Heading("x"), Heading("y")), (Line("a", (first, second), notes=("zero",)),))
    assert block.notes == ("zero", "one", "two")
    assert (block.marks(block.lines[0]), block.marks(first), block.marks(second)) == ((1,), (2, 3), (3,))


def test_uneven_line_is_refused() -> None:
    """A shifted column would put numbers under the wrong heading."""
    with pytest.raises(ValueError, match="a has 1 cells under 2 headings"):
        Block("B", (Heading("x"), Heading("y")), (Line("a", (Cell("1"),)),))


def test_a_name_is_shown_once() -> None:
    block = Block("B", (), (Line("a", ()), Line("a", ()), Line("b", ())))
    assert block.names == ("a", "", "b")


def test_rows_with_equal_denominators_are_told_together() -> None:
    lines = [Line(name, (), denominators=counts(name, generated)) for name, generated in (("a", 4), ("b", 3), ("c", 4))]
    assert told_denominators([*lines, Line("paper", ())]) == [
        "a, c: 4 expected, 4 generated, 0 failed, 4 decoded; scored: psnr 4",
        "b: 4 expected, 3 generated, 1 failed, 3 decoded; scored: psnr 3",
    ]


def test_legend_says_what_is_there() -> None:
    def told(cell: Cell) -> list[str]:
        return legend(Sheet("T", (Block("B", (Heading("x"),), (Line("a", (cell,)),)),)), second="italic")

    assert told(Cell("1")) == []
    assert "italic the second-best" in told(Cell("1", rank=2))[0]
    assert told(Cell("1", interval=("0", "2"))) == [
        "Square brackets hold 95 % intervals (paired bootstrap over prompts)."
    ]
    assert "not distinguishable from the original" in told(Cell("1", undecided=True))[0]
