"""Latency and speedup by the size of the video, the device it was timed on and how many made it (MixCache, Figure 12).

A place on the axis is a size, a timing class (`reports.environments`) and a number of devices. Sizes and numbers are
those that a suite gives one and the same model under several labels; rows of equal method and configuration are one
line through them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import Drawn
from reports.figures.curves import LINES
from reports.figures.style import INK, MARKERS, PALETTE, dress, file_name, new_figure, save
from reports.results import Results
from reports.rows import ORIGINAL, configuration
from reports.source import RecordSource

TITLE = "Scaling with size and devices"
POSITION = 11

SIZE: Final = ("height", "width", "num_frames")
LEGEND_COLUMNS: Final = 3
COLUMNS: Final = ("model", "line", "method", "pixels", "devices", "place", "latency_s")


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
    """One line per row and timing class: mean `latency_s`; `line` is equal for one configuration at any place.

    A place at which a single row was timed has nothing to compare and is left out.
    """
    rows = {row.row: row for row in results.manifest.rows}
    cells = results.cells.dropna(subset=["latency_s"])
    several, spread = cells["timing_class"].nunique() > 1, any(row.devices > 1 for row in rows.values())
    lines = []
    for (name, timing_class), latency in cells.groupby(["row", "timing_class"], sort=False)["latency_s"]:
        row = rows[str(name)]
        height, width, frames = (int(row.sampling.get(key) or 0) for key in SIZE)
        place = f"{height}x{width}, {frames} frames" + (f"\n{timing_class}" if several else "")
        if spread:
            place += f"\n{row.devices} device{'s' * (row.devices > 1)}"
        lines.append(
            (
                row.model,
                configuration(row),
                row.method,
                height * width * frames,
                row.devices,
                place,
                float(latency.mean()),
            )
        )
    timed = pd.DataFrame(lines, columns=list(COLUMNS)).sort_values(["pixels", "devices"], kind="stable")
    lines_there = timed.groupby(["model", "place"])["line"].transform("nunique")
    return timed[(lines_there > 1).astype(bool)]


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
