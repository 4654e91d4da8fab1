"""The settings of each method."""

from __future__ import annotations

from pathlib import Path

from reports.figures.hyper_parameters import differing, draw, settings_by_method
from reports.results import collect
from tests.reports.synthetic import ROWS, synthetic


def test_methods_with_several_settings_fastest_first() -> None:
    source = synthetic(prompts=3)
    results = collect(source, source.suite)
    swept = settings_by_method(results, results.compared()["shapes"], "psnr")
    assert {method: [row.row for row in rows] for method, rows in swept.items()} == {
        "fewer_steps": ["fewer_steps-10", "fewer_steps-25"],
        "teacache": ["teacache-0.3", "teacache-0.1"],
    }
    assert differing(swept["teacache"]) == ("rel_l1_thresh",)


def test_settings_that_cannot_be_written_small_have_no_keys() -> None:
    row = synthetic(prompts=1).suite.rows[1]
    for configs in ([{"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}], [{"list": [1]}, {"list": [2]}]):
        assert differing([row.model_copy(update={"config": config}) for config in configs]) == ()


def test_draws_a_panel_a_method(tmp_path: Path) -> None:
    source = synthetic(prompts=2, samples=1)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    text = (tmp_path / "hyper_parameters.svg").read_text()
    assert drawn.path == tmp_path / "hyper_parameters.svg"
    assert "<!-- teacache: rel_l1_thresh -->" in text
    assert "fora" not in text


def test_one_setting_is_no_trade_off(tmp_path: Path) -> None:
    source = synthetic(rows=(ROWS[0], ROWS[5]), prompts=2)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert drawn.caption == "shapes: no method was measured at more than one setting."
