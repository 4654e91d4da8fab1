"""Peak memory and cache."""

from __future__ import annotations

from pathlib import Path

from reports.figures.peak_memory import draw
from reports.results import collect
from tests.reports.synthetic import synthetic


def test_the_caption_says_what_was_measured(tmp_path: Path) -> None:
    """A resident set is not an allocator's peak."""
    source = synthetic(prompts=2, samples=1)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path == tmp_path / "peak_memory.svg"
    assert "weights not included" in drawn.caption


def test_a_suite_that_never_ran_draws_nothing(tmp_path: Path) -> None:
    """The caption says why there is no figure."""
    source = synthetic(prompts=1, samples=1)
    for row in source.suite.rows:
        for cell in row.cell_ids:
            source.forget(cell)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert drawn.caption == "shapes: no video has been measured."
