"""Shares of videos by what was done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reports.figures.cached_steps import draw, shares
from reports.results import collect
from tests.reports.synthetic import ROWS, synthetic


def test_shares_add_up_to_one_at_every_step() -> None:
    """Two videos, of which one reused at step 1."""
    lines = [("a", "x", 0, "computed"), ("a", "y", 0, "computed"), ("a", "x", 1, "step"), ("a", "y", 1, "computed")]
    steps = pd.DataFrame(lines, columns=["row", "cell_id", "step_index", "kind"])
    found = shares(steps, "a", ["computed", "cfg", "step"])
    assert np.array_equal(found, [[1.0, 0.5], [0.0, 0.0], [0.0, 0.5]])


def test_draws_one_figure_for_a_model(tmp_path: Path) -> None:
    """And is named after itself."""
    source = synthetic(prompts=2, samples=1)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path == tmp_path / "cached_steps.svg"
    assert drawn.path.stat().st_size > 1000


def test_an_original_alone_draws_nothing(tmp_path: Path) -> None:
    """The caption says why there is no figure."""
    source = synthetic(rows=ROWS[:1])
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert drawn.caption == "shapes: no method has made a video yet."
