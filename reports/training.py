"""Curves of trainings, from what a tracker has of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import reports.figures as figures
from reports.discovery import modules
from reports.figures.style import save


def draw_trainings(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw all figures that there are values for into `folder`, as PNG; the files written, by name.

    `frame` is `harness.tracking_training.training_curves`'s: a line for each `rung`, `quantity` and `iteration`, with
    its `value`. Each module of `reports.figures` that offers `of_trainings` is one figure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, module in modules(figures.__name__, figures.__path__, "of_trainings").items():
        figure = module.of_trainings(frame)
        if figure is not None:
            written.append(save(figure, folder, name))
    return written
