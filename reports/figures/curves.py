"""Curves over the steps with the spread between prompts, as the figures of calibrations share them."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from reports.figures.style import PALETTE, dress

LINES = ("-", "--", "-.", ":")


def levels(frame: pd.DataFrame) -> list[str]:
    """Caching levels in a frame: step, cfg, then the blocks by depth; of a block the video's stream alone."""
    found = {str(level) for level in frame["level"] if "." not in str(level)}
    return sorted(found, key=lambda level: (level.startswith("block"), level != "step", block_of(level)))


def block_of(level: str) -> int:
    """Depth of a `block_<i>` level; 0 for others."""
    return int(level.removeprefix("block_")) if level.startswith("block_") else 0


def shown_level(level: str) -> str:
    """A level as it is written in a figure."""
    return level.replace("_", " ")


def spread(axes: Axes, curve: pd.DataFrame, label: str, place: int) -> None:
    """One quantity over the steps: the mean over prompts, and a band from the least to the greatest prompt.

    `place` picks colour and dashes. `curve` has `step_index`, `value` and a line for each prompt and step.
    """
    steps = curve.groupby("step_index")["value"]
    mean, low, high = steps.mean(), steps.min(), steps.max()
    color = PALETTE[place % len(PALETTE)]
    axes.plot(mean.index, mean, color=color, linestyle=LINES[place % len(LINES)], linewidth=1.6, label=label)
    axes.fill_between(mean.index, low, high, color=color, alpha=0.15, linewidth=0)


def panel(axes: Axes, y_label: str, x_label: str = "step index") -> None:
    """Dress a panel whose curves are drawn."""
    dress(axes)
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    axes.legend(fontsize=8, frameon=False)


def prompts(frame: pd.DataFrame) -> str:
    """How many videos a figure is of, for its title."""
    count = frame["prompt_index"].nunique()
    return "1 video" if count == 1 else f"{count} videos (bands: least to greatest)"
