"""One look for all figures: colours that colour-blind readers can tell apart, never colour alone, for light and dark.

A figure is written twice. The SVG is drawn for a light page and carries a style sheet that a browser applies on a dark
one; programs without style sheets show it as on a light page. The PNG has a white ground, so that any page will do.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from harness.records import RowManifest
from reports.decisions import COMPUTED
from reports.estimates import Estimate
from reports.rows import is_original

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00")
"""Okabe and Ito's palette without its black, which is the original's, and with a dark ochre for its faint yellow."""
PAPER: Final = "#FFFFFF"
INK: Final = "#222222"
"""All writing, and the original."""
FAINT: Final = "#888888"
"""Axes and what is only a guide; it suits both grounds, and so do the colours."""
LIGHT: Final = "#BBBBBB"
GRID_COLOR: Final = "#DDDDDD"
DARK: Final = {PAPER: "#0D1117", INK: "#E6EDF3", GRID_COLOR: "#30363D"}
"""What takes their place on a dark page."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
HATCHES: Final = ("", "////", "\\\\\\\\", "xxxx", "----")
"""No dots: an SVG draws each of them as a circle."""
HALO: Final = (withStroke(linewidth=2.5, foreground=PAPER),)
"""Keeps writing readable where it crosses a line."""
DPI: Final = 150

matplotlib.rc("text", color=INK)
matplotlib.rc("axes", labelcolor=INK, titlecolor=INK)
matplotlib.rc("xtick", labelcolor=INK)
matplotlib.rc("ytick", labelcolor=INK)


def method_colors(rows: Sequence[RowManifest]) -> dict[str, str]:
    """A colour per row: the same for all settings of one method, near black for originals."""
    methods = list(dict.fromkeys(row.method for row in rows if not is_original(row)))
    by_method = {method: PALETTE[index % len(PALETTE)] for index, method in enumerate(methods)}
    return {row.row: INK if is_original(row) else by_method[row.method] for row in rows}


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
    return {COMPUTED: (INK, 0)} | styles


def markers(rows: Sequence[RowManifest]) -> dict[str, str]:
    """A marker per method, so that the figure also reads in gray."""
    methods = list(dict.fromkeys(row.method for row in rows))
    return {row.row: MARKERS[methods.index(row.method) % len(MARKERS)] for row in rows}


def arms(estimate: Estimate, per: float = 1.0) -> list[list[float]] | None:
    """Lengths of the interval's arms below and above the value, as matplotlib's error bars want them.

    `per` of the recorded unit make one of the axis.
    """
    if estimate.interval is None or estimate.value is None:
        return None
    low, high = estimate.interval
    return [[max(estimate.value - low, 0.0) / per], [max(high - estimate.value, 0.0) / per]]


def dress(axes: Axes, grid: str = "both") -> None:
    """No box, a faint grid behind the data, small ticks. `grid` is `x`, `y` or `both`."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(True, axis=grid, color=GRID_COLOR, linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, color=FAINT)


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure outside pyplot, which keeps global state; sizes in inches."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def lay_out(figure: Figure) -> None:
    """Give everything its place, for good."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write the SVG, whose path is returned, and a PNG beside it.

    Neither holds a date or version, and names inside of the SVG are not random, so that equal data gives equal bytes.
    """
    path = folder / f"{name}.svg"
    raster: Any = FigureCanvasAgg(figure)
    raster.draw()
    # The ground is opaque; without the fourth channel, less compression still makes a smaller file in half the time.
    pixels = Image.fromarray(np.asarray(raster.buffer_rgba())).convert("RGB")
    pixels.save(path.with_suffix(".png"), dpi=(DPI, DPI), compress_level=4)
    figure.set_layout_engine("none")  # it is laid out, and `savefig` would draw everything twice for each file
    vector: Any = FigureCanvasSVG(figure)
    drawn = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        vector.print_svg(drawn, metadata={"Date": None, "Creator": None})
    path.write_text(for_dark_pages(drawn.getvalue()), encoding="utf-8")
    return path


def for_dark_pages(svg: str) -> str:
    """An SVG of matplotlib's with a style sheet that changes the colours of `DARK` where the page is dark."""
    rules = [
        f'[style*="{role}: {light.lower()}"],[{role}="{light.lower()}"]{{{role}:{dark}!important}}'
        for light, dark in DARK.items()
        for role in ("fill", "stroke")
    ]
    sheet = f"@media (prefers-color-scheme:dark){{{''.join(rules)}}}"
    return svg.replace("</style>", f"{sheet}</style>", 1)


def file_name(figure: str, model: str, only_model: bool) -> str:
    """`frames`, or `frames-<model>` where a suite has several models."""
    return figure if only_model else f"{figure}-{re.sub(r'[^A-Za-z0-9._-]+', '-', model)}"
