"""Rows in the plane of what a video costs and how good it is, with intervals both ways and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from harness.records import RowManifest
from reports.columns import Column, Unit
from reports.estimates import Estimate
from reports.figures import Drawn
from reports.figures.qualities import qualities
from reports.figures.style import (
    FAINT,
    HALO,
    INK,
    PAPER,
    arms,
    dress,
    file_name,
    lay_out,
    markers,
    method_colors,
    new_figure,
    save,
    settings,
)
from reports.results import Results
from reports.rows import is_original

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


@dataclass(frozen=True)
class Point:
    """One row in the plane; both values exist."""

    row: RowManifest
    cost: Estimate
    quality: Estimate
    unit: Unit
    """Of the axis of costs."""

    @property
    def xy(self) -> tuple[float, float]:
        """In the units of the axes."""
        return float(self.cost.value or 0.0) / self.unit.per, float(self.quality.value or 0.0)


def draw_planes(results: Results, folder: Path, figure: str, cost: Column) -> list[Drawn]:
    """A figure per model, in it a panel for the score and one for fidelity, as far as there are values for them."""
    models, drawn = results.compared(), []
    for model, rows in models.items():
        unit = cost.unit(results.estimate(row.row, cost.measure) for row in rows)
        panels = [(label, _points(results, rows, cost, unit, measure)) for measure, label in qualities(results, rows)]
        panels = [(label, points) for label, points in panels if len(points) > 1]
        if not panels:
            drawn.append(Drawn(f"{model}: fewer than two rows have both a {cost.title} and a score."))
            continue
        path = _figure(results, rows, panels, cost, unit, folder, file_name(figure, model, len(models) == 1))
        drawn.append(
            Drawn(
                f"{model}: mean {cost.title} against quality; up and to the left is better. Bars are 95 % bootstrap "
                "intervals over prompts. The dashed line is the Pareto front: no other row costs as little as one on "
                "it and is better.",
                path,
            )
        )
    return drawn


def _figure(
    results: Results,
    rows: list[RowManifest],
    panels: list[tuple[str, list[Point]]],
    cost: Column,
    unit: Unit,
    folder: Path,
    name: str,
) -> Path:
    names = _names(rows)
    numbered = len(rows) > MANY_ROWS
    figure = new_figure(5.6 * len(panels), 4.2 + numbered * (0.4 + 0.18 * len(rows) / LEGEND_COLUMNS))
    figure.suptitle(rows[0].model_label, fontsize=10, x=0.01, ha="left")
    every_axes = np.atleast_1d(figure.subplots(1, len(panels), sharex=True))
    for axes, (label, points) in zip(every_axes, panels, strict=True):
        _panel(axes, points, rows)
        axes.set_xlabel(f"{cost.title} ({unit.name})", fontsize=9)
        axes.set_ylabel(label, fontsize=9)
    original = results.estimate(rows[0].row, cost.measure).value if is_original(rows[0]) else None
    every_axes[0].set_xlim(0, 1.18 * max(point.xy[0] for _, points in panels for point in points))
    for axes, (_, points) in zip(every_axes, panels, strict=True):
        if original is not None and not any(is_original(point.row) for point in points):
            mark_original(axes, original / unit.per)
    if numbered:
        handles = _handles(rows, names)
        figure.legend(handles=handles, loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False)
    lay_out(figure)  # labels are placed for this layout
    for axes, (_, points) in zip(every_axes, panels, strict=True):
        _label(axes, points, names)
    return save(figure, folder, name)


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
            markerfacecolor=colors[row.row] if numbers[row.row] == 0 else PAPER,
            label=f"{names[row.row]}  {row.row}",
        )
        for row in rows
    ]


def _points(results: Results, rows: list[RowManifest], cost: Column, unit: Unit, measure: str) -> list[Point]:
    points = [
        Point(row, results.estimate(row.row, cost.measure), results.estimate(row.row, measure), unit) for row in rows
    ]
    return [point for point in points if point.cost.value is not None and point.quality.value is not None]


def pareto(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those (cost, quality) that no other point beats in one without losing in the other, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or quality > front[-1][1]:
            front.append((cost, quality))
    return front


def _panel(axes: Axes, points: list[Point], rows: list[RowManifest]) -> None:
    dress(axes)
    colors, shapes, numbers = method_colors(rows), markers(rows), settings(rows)
    for point in points:
        name = point.row.row
        x, y = point.xy
        axes.errorbar(
            x,
            y,
            xerr=arms(point.cost, point.unit.per),
            yerr=arms(point.quality),
            fmt=shapes[name],
            color=colors[name],
            markerfacecolor=colors[name] if numbers[name] == 0 else PAPER,
            markersize=7,
            markeredgewidth=1.4,
            elinewidth=1.0,
            capsize=2.5,
            zorder=3,
        )
    front = np.array(pareto([point.xy for point in points]))
    axes.margins(x=0.14, y=0.14)
    axes.step(front[:, 0], front[:, 1], where="post", color=FAINT, linewidth=1.2, linestyle="--", zorder=1)


def mark_original(axes: Axes, cost: float) -> None:
    """What the original costs, on a panel on which it has no quality."""
    axes.axvline(cost, color=INK, linewidth=1.0, linestyle=":", zorder=1)
    axes.annotate(
        "original ",
        (cost, 0.02),
        xycoords=("data", "axes fraction"),
        ha="right",
        fontsize=8,
        path_effects=HALO,
    )


def _label(axes: Axes, points: list[Point], names: Mapping[str, str]) -> None:
    """Name every point beside it, at the first place that covers no other point or name."""
    spots = [axes.transData.transform(point.xy) for point in points]
    taken = [Bbox.from_bounds(x - 9, y - 9, 18, 18) for x, y in spots]
    frame = axes.get_window_extent()
    for point in sorted(points, key=lambda point: -point.xy[1]):
        name = names[point.row.row]
        text = axes.annotate(
            name, point.xy, (0, 0), textcoords="offset points", fontsize=8, zorder=4, path_effects=HALO
        )
        best: tuple[float, tuple[int, int], Bbox] | None = None
        for offset in LABEL_OFFSETS:
            _stand(text, offset)
            box = text.get_window_extent()
            outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
            cost = sum(box.overlaps(other) for other in taken) + 2 * outside
            if best is None or cost < best[0]:
                best = (cost, offset, box)
            if cost == 0:
                break
        if best is not None:
            _stand(text, best[1])
            taken.append(best[2])


def _stand(text: Annotation, offset: tuple[int, int]) -> None:
    """Beside its point, so that it grows away from it."""
    text.set_position(offset)
    text.set_horizontalalignment("left" if offset[0] > 0 else "right" if offset[0] < 0 else "center")
