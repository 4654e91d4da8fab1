"""A loss over the iterations, as the figures of trainings share it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports.figures.curves import LINES
from reports.figures.style import PALETTE

LOSS = "loss/"
"""Begins the name of a quantity that is a loss."""
WINDOWS = 50
"""A curve is smoothed over this share of a training."""


def loss_names(frame: pd.DataFrame) -> list[str]:
    """The losses in a frame, by name."""
    return sorted({str(name) for name in frame["quantity"] if str(name).startswith(LOSS)})


def smoothed(values: pd.Series) -> pd.Series:
    """The running mean over a fiftieth of the values, centred; itself where there are fewer than that."""
    return values.rolling(max(1, len(values) // WINDOWS), center=True, min_periods=1).mean()


def history(axes: Axes, curve: pd.DataFrame, label: str, place: int) -> None:
    """One loss: every iteration faintly, and its running mean. `place` picks colour and dashes."""
    color = PALETTE[place % len(PALETTE)]
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.plot(curve["iteration"], curve["value"], color=color, linewidth=0.5, alpha=0.3)
    axes.plot(
        curve["iteration"],
        smoothed(curve["value"]),
        color=color,
        linestyle=LINES[place % len(LINES)],
        linewidth=1.6,
        label=label,
    )
