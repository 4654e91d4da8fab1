"""What TeaCache and MagCache are fitted to: changes of the modulated input and of outputs, ratios of residuals."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.curves import panel, prompts, spread
from reports.figures.style import PALETTE, new_figure

INPUT = "modulated_change"
CHANGES = {"output_change": "model output", "residual_change": "residual of the stack"}
RATIO = "magnitude_ratio"


def of_calibration(frame: pd.DataFrame) -> Figure | None:
    """TeaCache: the change of outputs over that of the input. MagCache: ratios over the steps. None without either.

    `frame` is `reports.calibration.calibration_frame`'s.
    """
    measured = frame[frame["quantity"].isin([INPUT, *CHANGES, RATIO])]
    if measured.empty:
        return None
    figure = new_figure(5.2, 3.4)
    figure.suptitle(f"Change from step to step, {prompts(measured)}", fontsize=10, x=0.01, ha="left")
    axes = figure.subplots()
    ratios = measured[measured["quantity"] == RATIO]
    if ratios.empty:
        _changes(axes, measured)
    else:
        for place, (branch, curve) in enumerate(ratios.groupby("branch")):
            spread(axes, curve, str(branch), place)
        panel(axes, "magnitude ratio")
    return figure


def _changes(axes: Axes, measured: pd.DataFrame) -> None:
    keys = ["branch", "prompt_index", "step_index"]
    wide = measured.pivot(index=keys, columns="quantity", values="value").dropna()
    for place, (quantity, label) in enumerate(CHANGES.items()):
        if quantity in wide:
            axes.scatter(
                wide[INPUT],
                wide[quantity],
                s=5,
                alpha=0.5,
                linewidths=0,
                rasterized=True,
                color=PALETTE[place],
                label=label,
            )
    panel(axes, "relative L1 change", "relative L1 change of the modulated input")
