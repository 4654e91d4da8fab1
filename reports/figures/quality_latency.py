"""Quality against latency, with intervals in both directions and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from harness.records import RowManifest
from reports.estimates import Estimate
from reports.figures import Drawn
from reports.figures.style import ORIGINAL_COLOR, dress, file_name, markers, method_colors, new_figure, save, settings
from reports.results import Results
from reports.rows import is_original
from reports.scores import SEMANTIC_SCORE, TOTAL_SCORE
from reports.source import RecordSource

TITLE = "Quality against latency"
POSITION = 1

LABEL_OFFSETS: Final = (
    (8, 6),
    (8, -11),
    (-8, 6),
    (-8, -11),
    (0, 12),
    (0, -17),
    (14, 16),
    (-14, 16),
    (14, -22),
    (-14, -22),
)
"""Where a label may stand beside its point, in typographic points, in order of preference."""
MANY_ROWS: Final = 10
"""Above this, points carry numbers and their names stand below the panels."""
LEGEND_COLUMNS: Final = 3
HALO: Final = (withStroke(linewidth=2.5, foreground="white"),)
"""Keeps names readable where they cross a line."""


@dataclass(frozen=True)
class Point:
    """One row in the plane; both values exist."""

    row: RowManifest
    latency: Estimate
    quality: Estimate

    @property
    def xy(self) -> tuple[float, float]:
        """Seconds and the quality's own unit."""
        return float(self.latency.value or 0.0), float(self.quality.value or 0.0)


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """A panel for the score and one for fidelity, as far as there are values for them."""
    models = results.models()
    drawn = []
    for model, rows in models.items():
        panels = []
        for measure, label in _axes_of(results, rows):
            points = _points(results, rows, measure)
            if len(points) > 1:
                panels.append((label, points))
        if not panels:
            drawn.append(Drawn(f"{model}: fewer than two rows have both a latency and a score."))
            continue
        names = _names(rows)
        numbered = len(rows) > MANY_ROWS
        figure = new_figure(5.6 * len(panels), 4.2 + numbered * (0.4 + 0.18 * len(rows) / LEGEND_COLUMNS))
        figure.suptitle(model, fontsize=10, x=0.01, ha="left")
        every_axes = np.atleast_1d(figure.subplots(1, len(panels), sharex=True))
        for axes, (label, points) in zip(every_axes, panels, strict=True):
            _panel(axes, label, points, rows)
        original = results.estimate(rows[0].row, "latency_s").value if is_original(rows[0]) else None
        every_axes[0].set_xlim(0, 1.18 * max(point.xy[0] for _, points in panels for point in points))
        for axes, (_, points) in zip(every_axes, panels, strict=True):
            if original is not None and not any(is_original(point.row) for point in points):
                _mark_original(axes, original)
        if numbered:
            handles = _handles(rows, names)
            figure.legend(handles=handles, loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # labels are placed for this layout
        for axes, (_, points) in zip(every_axes, panels, strict=True):
            _label(axes, points, method_colors(rows), names)
        path = save(figure, folder, file_name("quality_latency", model, len(models) == 1))
        drawn.append(
            Drawn(
                f"{model}: mean latency against quality; up and to the left is better. Bars are 95 % bootstrap "
                "intervals over prompts. The dashed line is the Pareto front: no other row is as fast as one on it and "
                "better.",
                path,
            )
        )
    return drawn


def _names(rows: list[RowManifest]) -> dict[str, str]:
    """What stands beside a point: the row's name, or where there are many its number."""
    if len(rows) <= MANY_ROWS:
        return {row.row: row.row for row in rows}
    return {row.row: str(number) for number, row in enumerate(rows)}


def _handles(rows: list[RowManifest], names: Mapping[str, str]) -> list[Line2D]:
    """The legend's entries: a row's marker, number and name."""
    colors, shapes, numbers = method_colors(rows), markers(rows), settings(rows)
    return [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=shapes[row.row],
            color=colors[row.row],
            markerfacecolor=colors[row.row] if numbers[row.row] == 0 else "white",
            label=f"{names[row.row]}  {row.row}",
        )
        for row in rows
    ]


def _axes_of(results: Results, rows: list[RowManifest]) -> list[tuple[str, str]]:
    """The broadest score that exists, and PSNR as fidelity."""
    scores = [(TOTAL_SCORE, "total score"), (SEMANTIC_SCORE, "semantic score")]
    chosen = [(measure, f"{results.judge} {name} (%)") for measure, name in scores if _points(results, rows, measure)]
    return [*chosen[:1], ("psnr", "PSNR against the original (dB)")]


def _points(results: Results, rows: list[RowManifest], measure: str) -> list[Point]:
    points = [Point(row, results.estimate(row.row, "latency_s"), results.estimate(row.row, measure)) for row in rows]
    return [point for point in points if point.latency.value is not None and point.quality.value is not None]


def pareto(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those (latency, quality) that no other point beats in one without losing in the other, fastest first."""
    front: list[tuple[float, float]] = []
    for latency, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((latency, quality))
    return front


def _panel(axes: Axes, label: str, points: list[Point], rows: list[RowManifest]) -> None:
    dress(axes)
    colors, shapes, numbers = method_colors(rows), markers(rows), settings(rows)
    for point in points:
        name = point.row.row
        x, y = point.xy
        axes.errorbar(
            x,
            y,
            xerr=_arms(point.latency),
            yerr=_arms(point.quality),
            fmt=shapes[name],
            color=colors[name],
            markerfacecolor=colors[name] if numbers[name] == 0 else "white",
            markersize=7,
            markeredgewidth=1.4,
            elinewidth=1.0,
            capsize=2.5,
            zorder=3,
        )
    front = np.array(pareto([point.xy for point in points]))
    axes.margins(x=0.14, y=0.14)
    axes.step(front[:, 0], front[:, 1], where="post", color="#999999", linewidth=1.2, linestyle="--", zorder=1)
    axes.set_xlabel("latency per video (s)", fontsize=9)
    axes.set_ylabel(label, fontsize=9)


def _mark_original(axes: Axes, latency_s: float) -> None:
    """Where the original stands in time, on a panel on which it has no quality."""
    axes.axvline(latency_s, color=ORIGINAL_COLOR, linewidth=1.0, linestyle=":", zorder=1)
    place = (latency_s, 0.02)
    axes.annotate(
        "original ",
        place,
        xycoords=("data", "axes fraction"),
        ha="right",
        fontsize=8,
        color=ORIGINAL_COLOR,
        path_effects=HALO,
    )


def _arms(estimate: Estimate) -> list[list[float]] | None:
    """Lengths of the interval's arms below and above the value."""
    if estimate.interval is None or estimate.value is None:
        return None
    low, high = estimate.interval
    return [[max(estimate.value - low, 0.0)], [max(high - estimate.value, 0.0)]]


def _label(axes: Axes, points: list[Point], colors: dict[str, str], names: Mapping[str, str]) -> None:
    """Name every point beside it, at the first place that covers no other point or name."""
    spots = [axes.transData.transform(point.xy) for point in points]
    taken = [Bbox.from_bounds(x - 9, y - 9, 18, 18) for x, y in spots]
    frame = axes.get_window_extent()
    for point in sorted(points, key=lambda point: -point.xy[1]):
        best = None
        for offset in LABEL_OFFSETS:
            text = axes.annotate(
                names[point.row.row],
                point.xy,
                xytext=offset,
                textcoords="offset points",
                ha="left" if offset[0] > 0 else "right" if offset[0] < 0 else "center",
                fontsize=8,
                color=colors[point.row.row],
                zorder=4,
                path_effects=HALO,
            )
            box = text.get_window_extent()
            outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
            cost = sum(box.overlaps(other) for other in taken) + 2 * outside
            if best is None or cost < best[0]:
                if best is not None:
                    best[1].remove()
                best = (cost, text, box)
            else:
                text.remove()
            if best[0] == 0:
                break
        if best is not None:
            taken.append(best[2])
