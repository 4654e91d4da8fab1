"""Losses of trained rungs over the iterations, a panel a rung."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.curves import panel
from reports.figures.losses import LOSS, history, loss_names
from reports.figures.style import new_figure

COLUMNS = 3


def of_trainings(frame: pd.DataFrame) -> Figure | None:
    """Every loss of every rung, on a logarithmic scale where all are positive; None where there is none.

    `frame` is `harness.tracking_training.training_curves`'s.
    """
    losses = frame[frame["quantity"].str.startswith(LOSS)]
    if losses.empty:
        return None
    rungs = list(dict.fromkeys(losses["rung"]))
    columns = min(COLUMNS, len(rungs))
    rows = math.ceil(len(rungs) / columns)
    figure = new_figure(3.8 * columns, 3.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, rung in zip(panels, rungs, strict=False):
        here = losses[losses["rung"] == rung]
        for place, name in enumerate(loss_names(here)):
            history(axes, here[here["quantity"] == name], name.removeprefix(LOSS), place)
        if (here["value"] > 0).all():
            axes.set_yscale("log")
            axes.tick_params(which="minor", labelsize=8)
        axes.set_title(rung, fontsize=9, loc="left")
        panel(axes, "loss", "iteration")
    for axes in panels[len(rungs) :]:
        axes.set_visible(False)
    return figure
