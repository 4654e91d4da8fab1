"""The Pareto front."""

from __future__ import annotations

from reports.figures.quality_latency import pareto


def test_front() -> None:
    """A point stays only while everything faster is worse."""
    points = [(2.0, 85.0), (1.0, 83.0), (1.5, 82.0), (0.4, 70.0), (1.0, 80.0), (3.0, 85.0)]
    assert pareto(points) == [(0.4, 70.0), (1.0, 83.0), (2.0, 85.0)]


def test_one_point() -> None:
    """It is its own front."""
    assert pareto([(1.0, 1.0)]) == [(1.0, 1.0)]
