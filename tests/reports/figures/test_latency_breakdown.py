"""Where the time goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.figures.latency_breakdown import breakdown, draw
from reports.results import collect
from tests.reports.synthetic import synthetic


def test_parts_are_the_means_of_what_was_recorded() -> None:
    """Steps of a video add up to its denoising time."""
    source = synthetic(prompts=3, samples=2)
    results = collect(source, source.suite)
    rows = results.models()["shapes"]
    parts = breakdown(results, rows)
    assert list(parts.index) == [row.row for row in rows]
    steps = parts.drop(columns=["text encoding", "decoding"])
    for row in rows:
        seconds = [sum(source.done[cell].latency.step_s) for cell in row.cell_ids]  # type: ignore[union-attr]
        assert steps.loc[row.row].sum() == pytest.approx(sum(seconds) / len(seconds))
        assert parts.loc[row.row, "decoding"] == pytest.approx(results.estimate(row.row, "decode_s").value)


def test_a_suite_that_never_ran_draws_nothing(tmp_path: Path) -> None:
    """The caption says why there is no figure."""
    source = synthetic(prompts=1, samples=1)
    for row in source.suite.rows:
        for cell in row.cell_ids:
            source.forget(cell)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert drawn.caption == "shapes: no video has been timed."


def test_draws_one_figure_for_a_model(tmp_path: Path) -> None:
    """And is named after itself."""
    source = synthetic(prompts=2, samples=1)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path == tmp_path / "latency_breakdown.svg"
