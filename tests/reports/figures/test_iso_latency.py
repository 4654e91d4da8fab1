"""The best setting of each method within a latency."""

from __future__ import annotations

from pathlib import Path

from reports.figures.iso_latency import best_within, draw
from reports.results import collect
from tests.reports.synthetic import ROWS, synthetic


def test_the_best_setting_that_is_fast_enough_is_taken() -> None:
    """fewer_steps does least harm at 1.98x and is worse at 4.9x; PAB reaches 1.3x alone."""
    source = synthetic(prompts=4)
    results = collect(source, source.suite)
    rows = results.compared()["shapes"]

    def chosen(speedup: float) -> dict[str, str]:
        return {method: row.row for method, row in best_within(results, rows, "psnr", speedup).items()}

    assert chosen(1.2) == {"fewer_steps": "fewer_steps-25", "teacache": "teacache-0.1", "fora": "fora-3", "pab": "pab"}
    assert chosen(2.1) == {"fewer_steps": "fewer_steps-10", "teacache": "teacache-0.3", "fora": "fora-3"}
    assert chosen(9.0) == {}


def test_draws_one_figure_for_a_model(tmp_path: Path) -> None:
    source = synthetic(prompts=2, samples=1)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path == tmp_path / "iso_latency.svg"
    text = drawn.path.read_text()
    assert "<!-- no setting -->" in text
    assert "<!-- at least 2x -->" in text


def test_nobody_is_fast(tmp_path: Path) -> None:
    source = synthetic(rows=ROWS[:1])
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert "no two methods are 1.25 times as fast as the original" in drawn.caption
