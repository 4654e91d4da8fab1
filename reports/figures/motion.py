"""Motion score and motion gradient of single videos over the steps (AdaCache, figure A.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.style import PALETTE, dress, new_figure

VIDEOS = 3
SCORE, GRADIENT = "motion_score", "motion_gradient"


def of_calibration(frame: pd.DataFrame) -> Figure | None:
    """A column each for the stillest, the middle and the most moving video; None where motion was not measured.

    Videos are ordered by their score at the last step, of the conditional branch where there are two. `frame` is
    `reports.calibration.calibration_frame`'s.
    """
    motion = frame[frame["quantity"].isin([SCORE, GRADIENT]) & (frame["branch"] != "uncond")]
    if motion.empty:
        return None
    videos = chosen_videos(motion)
    figure = new_figure(3.4 * len(videos), 4.4)
    lines = figure.subplots(2, len(videos), sharex=True, sharey="row", squeeze=False)
    for column, video in enumerate(videos):
        here = motion[motion["prompt_index"] == video]
        _bars(lines[0][column], here[here["quantity"] == SCORE], PALETTE[0])
        _bars(lines[1][column], here[here["quantity"] == GRADIENT], PALETTE[4])
        lines[0][column].set_title(f"video {video}", fontsize=9)
        lines[1][column].set_xlabel("step index", fontsize=9)
    lines[0][0].set_ylabel("motion score", fontsize=9)
    lines[1][0].set_ylabel("motion gradient", fontsize=9)
    return figure


def chosen_videos(motion: pd.DataFrame) -> list[int]:
    """Prompt indices of the videos that are shown, by motion score at the last step."""
    last = motion[(motion["quantity"] == SCORE) & (motion["step_index"] == motion["step_index"].max())]
    ordered = last.sort_values(["value", "prompt_index"])["prompt_index"].tolist()
    places = np.linspace(0, len(ordered) - 1, min(VIDEOS, len(ordered))).round().astype(int)
    return [int(ordered[place]) for place in places]


def _bars(axes: Axes, bars: pd.DataFrame, color: str) -> None:
    axes.bar(bars["step_index"], bars["value"], width=0.9, color=color)
    dress(axes, "y")
