"""What an error of a caching level's size does to the output (MixCache, figure 5a)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.curves import levels, panel, prompts, shown_level, spread
from reports.figures.style import new_figure


def of_calibration(frame: pd.DataFrame) -> Figure | None:
    """Impact I of each level over the steps; None where none was measured.

    `frame` is `reports.calibration.calibration_frame`'s.
    """
    impacts = frame[frame["quantity"] == "impact"]
    if impacts.empty:
        return None
    figure = new_figure(5.6, 3.4)
    figure.suptitle(f"Impact of an error, {prompts(impacts)}", fontsize=10, x=0.01, ha="left")
    axes = figure.subplots()
    for place, level in enumerate(levels(impacts)):
        spread(axes, impacts[impacts["level"] == level], shown_level(level), place)
    axes.set_yscale("log")
    panel(axes, "relative L1 distance I")
    return figure
