"""What each method did at each step, as a share of its videos: MixCache's Figure 9, for every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Path2D
from matplotlib.ticker import MaxNLocator

from harness.records import RowManifest
from reports.decisions import ordered_kinds
from reports.figures import Drawn
from reports.figures.style import HATCHES, PAPER, dress, file_name, kind_styles, new_figure, save
from reports.results import Results
from reports.rows import is_original
from reports.source import RecordSource

TITLE = "What was computed, step by step"
POSITION = 8

ROW_HEIGHT_IN = 0.3


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """A strip per row, originals left out: they compute every step."""
    steps, models, drawn = results.steps, results.compared(), []
    for model, rows in models.items():
        shown = [row for row in rows if not is_original(row) and (steps["row"] == row.row).any()]
        if not shown:
            drawn.append(Drawn(f"{model}: no method has made a video yet."))
            continue
        path = _figure(steps, shown, folder, file_name("cached_steps", model, len(models) == 1))
        drawn.append(
            Drawn(
                f"{model}: for each step, the share of videos in which it was computed, or what was done instead. A "
                "step counts as computed only if every call of the transformer in it was; otherwise as what the first "
                "call that was not did.",
                path,
            )
        )
    return drawn


def shares(steps: pd.DataFrame, row: str, kinds: list[str]) -> npt.NDArray[np.float64]:
    """(kinds, steps): the share of the row's videos that did that at that step; steps beyond the row's own are 0."""
    own = steps[steps["row"] == row]
    places = pd.Categorical(own["kind"], categories=kinds).codes.astype(np.int64)
    shape = (len(kinds), int(own["step_index"].max()) + 1)
    counts = np.bincount(places * shape[1] + own["step_index"].to_numpy(), minlength=shape[0] * shape[1]).reshape(shape)
    found: npt.NDArray[np.float64] = counts / counts.sum(axis=0)
    return found


def _bars(begin: npt.NDArray[np.float64], end: npt.NDArray[np.float64]) -> Path2D:
    """A bar per step between two heights, both (steps,): one shape, which is drawn far sooner than as many as steps."""
    left = np.arange(len(begin)) - 0.5
    corners = [(left, begin), (left + 1, begin), (left + 1, end), (left, end), (left, begin)]
    vertices = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    codes = [Path2D.MOVETO, *[Path2D.LINETO] * 3, Path2D.CLOSEPOLY]
    return Path2D(vertices.reshape(-1, 2), np.tile(np.array(codes, Path2D.code_type), len(begin)))


def _figure(steps: pd.DataFrame, rows: list[RowManifest], folder: Path, name: str) -> Path:
    kinds = ordered_kinds(steps[steps["row"].isin([row.row for row in rows])])
    styles = kind_styles(kinds)
    figure = new_figure(9.5, 1.0 + ROW_HEIGHT_IN * len(rows))
    axes = figure.subplots()
    dress(axes, "x")
    for place, row in enumerate(rows):
        found = shares(steps, row.row, kinds) * 0.8
        ends = place - 0.4 + np.cumsum(found, axis=0)
        for kind, begin, end in zip(kinds, ends - found, ends, strict=True):
            color, hatch = styles[kind]
            bars = PathPatch(
                _bars(begin, end),
                facecolor=color,
                hatch=HATCHES[hatch] * 2,
                edgecolor=PAPER,
                linewidth=0.3,
                label=kind if place == 0 else None,
            )
            axes.add_patch(bars)
    axes.autoscale_view()
    axes.set_yticks(range(len(rows)), [row.row for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.margins(x=0.005)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step (0 is the noisiest)", fontsize=9)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(kinds), 6), fontsize=8, frameon=False)
    return save(figure, folder, name)
