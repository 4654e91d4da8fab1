"""FLOPs against the clock."""

from __future__ import annotations

from pathlib import Path

from reports.figures.theoretical_speedup import draw
from reports.results import collect
from tests.reports.synthetic import ROWS, synthetic


def test_rows_by_the_flops_they_save(tmp_path: Path) -> None:
    source = synthetic(prompts=2, samples=1)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path == tmp_path / "theoretical_speedup.svg"
    text = drawn.path.read_text()
    places = [text.index(f"<!-- {spec.name} -->") for spec in sorted(ROWS[1:], key=lambda spec: -spec.speed)]
    assert places == sorted(places)
    assert "<!-- original -->" not in text


def test_an_original_alone_draws_nothing(tmp_path: Path) -> None:
    source = synthetic(rows=ROWS[:1])
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert "no row besides the original" in drawn.caption
