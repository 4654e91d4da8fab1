"""Latency and speedup by the size of the video and the device it was timed on (MixCache, Figure 12).

A place on the axis is a size and a timing class (`reports.environments`). Sizes are those that a suite gives one and
the same model under several labels; rows of equal method and configuration are one line through them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from harness.records import RowManifest
from reports.figures import Drawn
from reports.figures.curves import LINES
from reports.figures.style import INK, MARKERS, PALETTE, dress, file_name, new_figure, save
from reports.results import Results
from reports.rows import ORIGINAL
from reports.source import RecordSource

TITLE = "Scaling with size and devices"
POSITION = 11

SIZE: Final = ("height", "width", "num_frames")
LEGEND_COLUMNS: Final = 3
COLUMNS: Final = ("model", "line", "method", "pixels", "place", "latency_s")


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """A figure per model that was timed at two places or more, a panel for latency and one for speedup."""
    timed = scaling_frame(results)
    drawn = []
    for model, here in timed.groupby("model", sort=False):
        if here["place"].nunique() < 2:
            drawn.append(Drawn(f"{model}: all videos have one size and were timed on one kind of device."))
            continue
        path = _figure(here, folder, file_name("scaling", str(model), timed["model"].nunique() == 1))
        drawn.append(
            Drawn(
                f"{model}: mean latency, and the original's over the row's, by the size of the video and the device. "
                "Points are joined to be followed, there is nothing between them.",
                path,
            )
        )
    return drawn or [Drawn("No two rows were timed on videos of one size and on the same device.")]


def scaling_frame(results: Results) -> pd.DataFrame:
    """One line per row and timing class: mean `latency_s`; `line` is equal for one configuration at any size.

    A place at which a single row was timed has nothing to compare and is left out.
    """
    rows = {row.row: row for row in results.manifest.rows}
    cells = results.cells.dropna(subset=["latency_s"])
    several = cells["timing_class"].nunique() > 1
    lines = []
    for (name, timing_class), latency in cells.groupby(["row", "timing_class"], sort=False)["latency_s"]:
        row = rows[str(name)]
        height, width, frames = (int(row.sampling.get(key) or 0) for key in SIZE)
        place = f"{height}x{width}, {frames} frames" + (f"\n{timing_class}" if several else "")
        lines.append((row.model, _line(row), row.method, height * width * frames, place, float(latency.mean())))
    timed = pd.DataFrame(lines, columns=list(COLUMNS)).sort_values("pixels", kind="stable")
    lines_there = timed.groupby(["model", "place"])["line"].transform("nunique")
    return timed[(lines_there > 1).astype(bool)]


def _line(row: RowManifest) -> str:
    """The method and its settings, without those that a model's calibration gives it."""
    if row.method == ORIGINAL:
        return ORIGINAL
    plain = {key: value for key, value in row.config.items() if isinstance(value, bool | int | float | str)}
    return f"{row.method} {json.dumps(plain, sort_keys=True)}" if plain else row.method


def _figure(timed: pd.DataFrame, folder: Path, name: str) -> Path:
    lines, places = list(dict.fromkeys(timed["line"])), list(dict.fromkeys(timed["place"]))
    latency = timed.pivot_table(index="line", columns="place", values="latency_s", sort=False)
    latency = latency.reindex(index=lines, columns=places)
    figure = new_figure(10.5, 3.6 + 0.2 * len(lines) / LEGEND_COLUMNS)
    left, right = figure.subplots(1, 2)
    _panel(left, latency, "latency per video (s)")
    left.set_ylim(bottom=0)
    if ORIGINAL in latency.index:
        _panel(right, latency.rdiv(latency.loc[ORIGINAL], axis="columns"), "times faster than the original")
        right.set_ylim(bottom=0)
    else:
        right.set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False)
    return save(figure, folder, name)


def _panel(axes: Axes, values: pd.DataFrame, label: str) -> None:
    dress(axes, "y")
    for at, (line, series) in enumerate(values.iterrows()):
        original = line == ORIGINAL
        axes.plot(
            np.arange(len(series)),
            series.to_numpy(dtype=float),
            color=INK if original else PALETTE[at % len(PALETTE)],
            linestyle=LINES[at // len(PALETTE) % len(LINES)],
            marker=MARKERS[at % len(MARKERS)],
            markersize=5,
            label=str(line),
        )
    axes.set_xticks(np.arange(values.shape[1]), list(values.columns), fontsize=8)
    axes.margins(x=0.1)
    axes.set_ylabel(label, fontsize=9)
