"""How similar consecutive outputs of the original are at each caching level (MixCache, figure 2)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.curves import levels, panel, prompts, shown_level, spread
from reports.figures.style import new_figure


def of_calibration(frame: pd.DataFrame) -> Figure | None:
    """D_step, D_cfg and D_block over the steps, a panel each; None where no level was measured.

    `frame` is `reports.calibration.calibration_frame`'s.
    """
    distances = frame[(frame["quantity"] == "distance") & (frame["level"] != "")]
    if distances.empty:
        return None
    found = levels(distances)
    groups = [[level] for level in found if not level.startswith("block")]
    blocks = [level for level in found if level.startswith("block")]
    groups += [blocks] if blocks else []
    figure = new_figure(3.6 * len(groups), 3.2)
    figure.suptitle(f"Redundancy of the original, {prompts(distances)}", fontsize=10, x=0.01, ha="left")
    for axes, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        for level in group:
            spread(axes, distances[distances["level"] == level], shown_level(level), found.index(level))
        axes.set_ylim(bottom=0)
        panel(axes, "relative L1 distance D")
    return figure
