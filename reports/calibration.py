"""A calibration file as a tidy frame, and the figures that can be drawn of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

import reports.figures as figures
from harness.calibrate.calibration import Calibration, read_calibration
from reports.discovery import modules
from reports.figures.style import save

COLUMNS: Final = ("quantity", "level", "branch", "prompt_index", "step_index", "value")


def calibration_frame(calibration: Calibration) -> pd.DataFrame:
    """A line for each value that was measured.

    `quantity` is what is before the first dot of a curve's name and `level` what is behind it, empty where there is
    none: `distance.block_10` is the distance at level `block_10`.
    """
    lines = [
        (*curve.name.partition(".")[::2], curve.branch, prompt_index, step_index, value)
        for curve in calibration.curves
        for prompt_index, steps in enumerate(curve.values)
        for step_index, value in enumerate(steps)
        if value is not None
    ]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def draw_calibration(path: Path, folder: Path) -> list[Path]:
    """Draw all figures a calibration file has the values for into `folder`, as PNG; the files written, by name.

    Each module of `reports.figures` that offers `of_calibration` is one.

    Raises:
        CalibrationError: the file is absent or is no calibration.
    """
    frame = calibration_frame(read_calibration(path))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, module in modules(figures.__name__, figures.__path__, "of_calibration").items():
        figure = module.of_calibration(frame)
        if figure is not None:
            written.append(save(figure, folder, name))
    return written
