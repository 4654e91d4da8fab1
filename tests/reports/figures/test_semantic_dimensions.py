"""Bars by dimension."""

from __future__ import annotations

from pathlib import Path

from reports.figures import discover
from reports.figures.semantic_dimensions import draw
from reports.results import collect
from tests.reports.synthetic import synthetic


def test_nothing_judged_draws_nothing(tmp_path: Path) -> None:
    """The caption says why there is no figure."""
    source = synthetic(metrics=("psnr",))
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert drawn.caption == "shapes: no row has been judged."


def test_discovered_by_file_name_in_order() -> None:
    """Helpers are passed over."""
    assert list(discover()) == [
        "quality_latency",
        "quality_flops",
        "iso_latency",
        "hyper_parameters",
        "theoretical_speedup",
        "semantic_dimensions",
        "frames",
        "cached_steps",
        "latency_breakdown",
        "peak_memory",
        "scaling",
        "user_study",
    ]
