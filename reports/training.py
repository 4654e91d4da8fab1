"""Curves of trainings, from what a tracker has of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import reports.figures as figures
from harness.errors import StoreError
from reports.discovery import modules
from reports.figures.losses import LOSS
from reports.figures.style import save


def keep_trainings(frame: pd.DataFrame, path: Path) -> None:
    """Write the losses in a frame to a `.csv.gz`, to six digits, so that they can be drawn without a tracker.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        losses = frame[frame["quantity"].str.startswith(LOSS)]
        losses.to_csv(path, index=False, float_format="%.6g", compression={"method": "gzip", "mtime": 0})
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}); choose another --keep") from error


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
