"""Typed columns: units, formats and ranks."""

from __future__ import annotations

from reports.bootstrap import Interval
from reports.columns import OPERATIONS, Column, Unit
from reports.estimates import Estimate


def estimate(row: str, value: float | None, n: int = 4) -> Estimate:
    """Of four cells."""
    return Estimate(row, "flops", value, None, n, 4, 2)


def test_largest_fitting_unit() -> None:
    """0.4 TFLOPs are written as 400 G; a column has one unit."""
    column = Column("flops", "FLOPs", "lower", 1, OPERATIONS)
    unit = column.unit([estimate("a", 4e11), estimate("b", 2e7), estimate("c", None)])
    assert unit.name == "G"
    assert column.heading(unit) == "FLOPs (G) ↓"
    assert column.number(4e11, unit) == "400.0"
    assert column.ends(Interval(3.9e11, 4.1e11), unit) == ("390.0", "410.0")
    assert column.unit([]).name == "M"


def test_ranks() -> None:
    """Ties as printed share a rank; incomplete rows and a lone row do not compete."""
    column = Column("ssim", "SSIM", "higher", 2)
    values = {"a": 0.901, "b": 0.899, "c": 0.8, "d": 0.7}
    estimates = {row: estimate(row, value) for row, value in values.items()}
    assert column.ranks(estimates, Unit("")) == {"a": 1, "b": 1, "c": 2}
    estimates["a"], estimates["b"] = estimate("a", 0.9, n=3), estimate("b", None, n=0)
    assert column.ranks(estimates, Unit("")) == {"c": 1, "d": 2}
    assert column.ranks({"a": estimate("a", 0.9)}, Unit("")) == {}


def test_lower_is_better() -> None:
    """The direction turns the order."""
    column = Column("latency_s", "Latency", "lower", 2)
    assert column.ranks({"a": estimate("a", 2.0), "b": estimate("b", 1.0)}, Unit("s")) == {"b": 1, "a": 2}
