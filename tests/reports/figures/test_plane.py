"""The plane of cost and quality, and the Pareto front in it."""

from __future__ import annotations

from pathlib import Path

from reports.figures import quality_flops, quality_latency
from reports.figures.plane import pareto
from reports.results import collect
from tests.reports.synthetic import ROWS, synthetic


def test_front() -> None:
    """A point stays only while everything cheaper is worse."""
    points = [(2.0, 85.0), (1.0, 83.0), (1.5, 82.0), (0.4, 70.0), (1.0, 80.0), (3.0, 85.0)]
    assert pareto(points) == [(0.4, 70.0), (1.0, 83.0), (2.0, 85.0)]


def test_one_point() -> None:
    """It is its own front."""
    assert pareto([(1.0, 1.0)]) == [(1.0, 1.0)]


def test_latency_and_flops_are_drawn_alike(tmp_path: Path) -> None:
    source = synthetic(prompts=2, samples=1)
    results = collect(source, source.suite)
    for module, axis in ((quality_latency, "latency per video (s)"), (quality_flops, "number of FLOPs per video (G)")):
        (drawn,) = module.draw(results, source, tmp_path)
        assert drawn.path == tmp_path / f"{module.__name__.rpartition('.')[2]}.svg"
        assert f"<!-- {axis} -->" in drawn.path.read_text()


def test_one_row_is_no_trade_off(tmp_path: Path) -> None:
    source = synthetic(rows=ROWS[:1])
    (drawn,) = quality_flops.draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert drawn.caption == "shapes: fewer than two rows have both a number of FLOPs per video and a score."
