"""Losses of generator and discriminator while DisCa's predictor is trained against one (DisCa, figure 5)."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from reports.figures.curves import panel
from reports.figures.losses import LOSS, history
from reports.figures.style import new_figure

GENERATOR: Final = f"{LOSS}adversarial"
"""What the predictor is told by the discriminator, without its mean squared error."""
DISCRIMINATOR: Final = f"{LOSS}discriminator"


def of_trainings(frame: pd.DataFrame) -> Figure | None:
    """Both losses over the iterations of the adversarial stage, a panel a rung; None where no rung has one.

    `frame` is `harness.tracking_training.training_curves`'s.
    """
    losses = frame[frame["quantity"].isin([GENERATOR, DISCRIMINATOR])]
    rungs = [rung for rung, found in losses.groupby("rung", sort=False) if found["quantity"].nunique() == 2]
    if not rungs:
        return None
    figure = new_figure(4.6 * len(rungs), 3.2)
    for axes, rung in zip(figure.subplots(1, len(rungs), squeeze=False)[0], rungs, strict=True):
        here = losses[losses["rung"] == rung]
        history(axes, here[here["quantity"] == GENERATOR], "generator (predictor)", 0)
        history(axes, here[here["quantity"] == DISCRIMINATOR], "discriminator", 1)
        axes.set_title(str(rung), fontsize=9, loc="left")
        panel(axes, "hinge loss", "iteration")
    return figure
