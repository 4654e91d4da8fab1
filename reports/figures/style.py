"""One look for all figures: colours that colour-blind readers can tell apart, and never colour alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.records import RowManifest
from reports.decisions import COMPUTED
from reports.rows import is_original

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00")
"""Okabe and Ito's palette without its black, which is the original's, and with a dark ochre for its faint yellow."""
ORIGINAL_COLOR: Final = "#222222"
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
HATCHES: Final = ("", "////", "....", "xxxx", "----")
GRID_COLOR: Final = "#DDDDDD"
DPI: Final = 150


def method_colors(rows: Sequence[RowManifest]) -> dict[str, str]:
    """A colour per row: the same for all settings of one method, near black for originals."""
    methods = list(dict.fromkeys(row.method for row in rows if not is_original(row)))
    by_method = {method: PALETTE[index % len(PALETTE)] for index, method in enumerate(methods)}
    return {row.row: ORIGINAL_COLOR if is_original(row) else by_method[row.method] for row in rows}


def settings(rows: Sequence[RowManifest]) -> dict[str, int]:
    """Which setting of its method a row is, counted from 0: picks a marker's filling or a bar's hatching.

    Where there are more methods than colours, those of the second lap begin with a hatching of their own.
    """
    methods = list(dict.fromkeys(row.method for row in rows if not is_original(row)))
    seen: dict[str, int] = {}
    numbers = {}
    for row in rows:
        lap = 0 if is_original(row) else methods.index(row.method) // len(PALETTE)
        numbers[row.row] = seen.get(row.method, 2 * lap)
        seen[row.method] = numbers[row.row] + 1
    return numbers


def kind_styles(kinds: Sequence[str]) -> dict[str, tuple[str, int]]:
    """A colour and the number of a hatching for each kind of step; computed ones are dark and plain."""
    others = [kind for kind in kinds if kind != COMPUTED]
    styles = {kind: (PALETTE[at % len(PALETTE)], 1 + at % (len(HATCHES) - 1)) for at, kind in enumerate(others)}
    return {COMPUTED: (ORIGINAL_COLOR, 0)} | styles


def markers(rows: Sequence[RowManifest]) -> dict[str, str]:
    """A marker per method, so that the figure also reads in gray."""
    methods = list(dict.fromkeys(row.method for row in rows))
    return {row.row: MARKERS[methods.index(row.method) % len(MARKERS)] for row in rows}


def dress(axes: Axes, grid: str = "both") -> None:
    """No box, a faint grid behind the data, small ticks. `grid` is `x`, `y` or `both`."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888888")
    axes.grid(True, axis=grid, color=GRID_COLOR, linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, color="#888888")


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure outside pyplot, which keeps global state; sizes in inches."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write the PNG without a date or version inside, so that equal data gives equal bytes."""
    path = folder / f"{name}.png"
    figure.savefig(path, metadata={"Software": None})
    return path


def file_name(figure: str, model: str, only_model: bool) -> str:
    """`frames`, or `frames-<model>` where a suite has several models."""
    return figure if only_model else f"{figure}-{re.sub(r'[^A-Za-z0-9._-]+', '-', model)}"
