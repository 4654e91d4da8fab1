"""Mean and standard deviation of the error a caching level would make at each step (MixCache, figure 6)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.curves import levels, panel, prompts, shown_level, spread
from reports.figures.style import new_figure

PANELS = (
    ("error_mean", "mean \N{GREEK SMALL LETTER MU}"),
    ("error_std", "standard deviation \N{GREEK SMALL LETTER SIGMA}"),
)


def of_calibration(frame: pd.DataFrame) -> Figure | None:
    """mu and sigma of each level over the steps, a panel each; None where none was measured.

    `frame` is `reports.calibration.calibration_frame`'s.
    """
    errors = frame[frame["quantity"].isin([quantity for quantity, _ in PANELS])]
    if errors.empty:
        return None
    figure = new_figure(9.0, 3.4)
    figure.suptitle(f"Error of a cached output, {prompts(errors)}", fontsize=10, x=0.01, ha="left")
    for axes, (quantity, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
        for place, level in enumerate(levels(errors)):
            here = (errors["quantity"] == quantity) & (errors["level"] == level)
            spread(axes, errors[here], shown_level(level), place)
        panel(axes, label)
    return figure
