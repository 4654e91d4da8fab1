"""The figures of calibrations show what is in the frame, and nothing where there is nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.calibration import COLUMNS
from reports.figures import cache_error, impact, motion, redundancy, step_changes
from reports.figures.curves import levels

STEPS = range(4)


def frame(*lines):
    """A frame of (quantity, level, branch, prompt_index, values over the steps)."""
    rows = [
        (quantity, level, branch, prompt, step, value)
        for quantity, level, branch, prompt, values in lines
        for step, value in zip(STEPS, values, strict=False)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("module", [redundancy, impact, cache_error, motion, step_changes])
def test_a_frame_without_the_quantity_has_no_figure(module):
    assert module.of_calibration(frame(("something", "", "cond", 0, (1.0,)))) is None


def test_levels_are_step_cfg_and_blocks_by_depth_of_the_video():
    lines = [("impact", level, "guided", 0, (1.0,)) for level in ("block_20", "block_3", "cfg", "block_3.text", "step")]
    assert levels(frame(*lines)) == ["step", "cfg", "block_3", "block_20"]


def test_redundancy_has_a_panel_a_level_and_one_for_all_blocks():
    lines = [("distance", level, "cond", 0, (0.5, 0.25)) for level in ("step", "cfg", "block_10", "block_20")]
    panels = redundancy.of_calibration(frame(*lines)).axes
    assert [labels(axes) for axes in panels] == [["step"], ["cfg"], ["block 10", "block 20"]]


def test_adacaches_distance_is_no_level():
    assert redundancy.of_calibration(frame(("distance", "", "cond", 0, (0.5, 0.25)))) is None


def test_a_curve_is_the_mean_over_prompts_with_their_range():
    figure = impact.of_calibration(
        frame(("impact", "step", "guided", 0, (1.0, 2.0)), ("impact", "step", "guided", 1, (3.0, 2.0)))
    )
    (axes,) = figure.axes
    assert axes.get_lines()[0].get_ydata().tolist() == [2.0, 2.0]
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1.0, 3.0)


def test_mu_and_sigma_have_a_panel_each():
    figure = cache_error.of_calibration(
        frame(("error_mean", "step", "guided", 0, (0.1, 0.2)), ("error_std", "step", "guided", 0, (3.0, 4.0)))
    )
    assert [axes.get_lines()[0].get_ydata().tolist() for axes in figure.axes] == [[0.1, 0.2], [3.0, 4.0]]


def test_motion_shows_the_stillest_the_middle_and_the_most_moving_video():
    lines = [("motion_score", "", "cond", prompt, (0.9, last)) for prompt, last in enumerate((0.5, 0.1, 0.3, 0.4, 0.2))]
    lines += [("motion_gradient", "", "cond", prompt, (0.0, -0.1)) for prompt in range(5)]
    lines += [("motion_score", "", "uncond", 1, (9.0, 9.0))]
    made = frame(*lines)
    assert motion.chosen_videos(made[made["branch"] != "uncond"]) == [1, 2, 0]
    figure = motion.of_calibration(made)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["video 1", "video 2", "video 0"]
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.9, 0.1]


def test_teacache_is_a_cloud_of_both_changes_over_the_inputs():
    figure = step_changes.of_calibration(
        frame(
            ("modulated_change", "", "cond", 0, (0.1, 0.2)),
            ("output_change", "", "cond", 0, (1.0, 2.0)),
            ("residual_change", "", "cond", 0, (3.0, 4.0)),
        )
    )
    clouds = [cloud.get_offsets().tolist() for cloud in figure.axes[0].collections]
    assert clouds == [[[0.1, 1.0], [0.2, 2.0]], [[0.1, 3.0], [0.2, 4.0]]]


def test_magcache_has_a_curve_a_branch():
    figure = step_changes.of_calibration(
        frame(("magnitude_ratio", "", "cond", 0, (1.0, 0.9)), ("magnitude_ratio", "", "uncond", 0, (1.0, 0.8)))
    )
    assert labels(figure.axes[0]) == ["cond", "uncond"]
