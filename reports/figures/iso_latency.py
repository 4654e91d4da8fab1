"""Methods compared at equal latency: the best setting of each that fits a budget."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes

from harness.records import RowManifest
from reports.figures import Drawn
from reports.figures.qualities import qualities
from reports.figures.style import FAINT, HALO, INK, arms, dress, file_name, markers, method_colors, new_figure, save
from reports.results import Results
from reports.rows import is_original
from reports.source import RecordSource

TITLE = "Best setting within a latency"
POSITION = 3

SPEEDUPS: Final = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""A budget is the original's latency over one of these."""
MOST_BUDGETS: Final = 4
ROW_HEIGHT_IN: Final = 0.3


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """A panel per budget that two methods or more keep to, a line per method."""
    models, drawn = results.compared(), []
    for model, rows in models.items():
        found = qualities(results, rows)
        if not found:
            drawn.append(Drawn(f"{model}: no row has a score."))
            continue
        measure, label = found[-1]  # fidelity, where there is any: it tells the settings of a method apart
        choices = {speedup: best_within(results, rows, measure, speedup) for speedup in SPEEDUPS}
        budgets = _spread(_telling({speedup: best for speedup, best in choices.items() if len(best) > 1}))
        if not budgets:
            drawn.append(Drawn(f"{model}: no two methods are {SPEEDUPS[0]:g} times as fast as the original."))
            continue
        name = file_name("iso_latency", model, len(models) == 1)
        path = _figure(results, rows, {budget: choices[budget] for budget in budgets}, measure, label, folder, name)
        drawn.append(
            Drawn(
                f"{model}: of each method the best setting that is at least so many times as fast as the original, "
                "with its 95 % bootstrap interval over prompts; empty where no setting is. Settings were chosen by the "
                "very numbers that are shown, so a method that was tried at many looks a little better than it is.",
                path,
            )
        )
    return drawn


def best_within(results: Results, rows: Sequence[RowManifest], measure: str, speedup: float) -> dict[str, RowManifest]:
    """By method, the row with the highest value of the measure among those at least that much faster."""
    best: dict[str, tuple[float, RowManifest]] = {}
    for row in rows:
        value, faster = results.estimate(row.row, measure).value, results.estimate(row.row, "speedup").value
        if is_original(row) or value is None or faster is None or faster < speedup:
            continue
        if row.method not in best or value > best[row.method][0]:
            best[row.method] = value, row
    return {method: row for method, (_, row) in best.items()}


def _telling(choices: dict[float, dict[str, RowManifest]]) -> list[float]:
    """Budgets at which another choice is made than at the one before."""
    budgets = list(choices)
    return budgets[:1] + [at for before, at in pairwise(budgets) if choices[before] != choices[at]]


def _spread(budgets: list[float]) -> list[float]:
    """At most `MOST_BUDGETS`, the mildest and the strictest among them."""
    if len(budgets) <= MOST_BUDGETS:
        return budgets
    steps = MOST_BUDGETS - 1
    return [budgets[round(at * (len(budgets) - 1) / steps)] for at in range(MOST_BUDGETS)]


def _figure(
    results: Results,
    rows: list[RowManifest],
    choices: dict[float, dict[str, RowManifest]],
    measure: str,
    label: str,
    folder: Path,
    name: str,
) -> Path:
    methods = list(dict.fromkeys(method for best in choices.values() for method in best))
    mildest = choices[min(choices)]
    methods.sort(key=lambda method: -(results.estimate(mildest[method].row, measure).value or 0.0))
    figure = new_figure(2.2 + 2.5 * len(choices), 0.9 + ROW_HEIGHT_IN * len(methods))
    panels = figure.subplots(1, len(choices), sharex=True, sharey=True, squeeze=False)[0]
    colors, shapes = method_colors(rows), markers(rows)
    for axes, (speedup, best) in zip(panels, choices.items(), strict=True):
        dress(axes, "x")
        axes.set_title(f"at least {speedup:g}x", fontsize=9, loc="left")
        for place, method in enumerate(methods):
            if method in best:
                _mark(axes, results, best[method], measure, place, colors, shapes)
            else:
                end = axes.get_yaxis_transform()
                axes.text(0.98, place, "no setting", transform=end, ha="right", va="center", fontsize=7, color=FAINT)
    panels[0].set_yticks(range(len(methods)), methods, fontsize=8)
    panels[0].set_ylim(len(methods) - 0.45, -0.55)
    figure.supxlabel(label, fontsize=9)
    return save(figure, folder, name)


def _mark(
    axes: Axes,
    results: Results,
    row: RowManifest,
    measure: str,
    place: int,
    colors: dict[str, str],
    shapes: dict[str, str],
) -> None:
    quality, faster = results.estimate(row.row, measure), results.estimate(row.row, "speedup")
    value = quality.value or 0.0
    axes.errorbar(
        value,
        place,
        xerr=arms(quality),
        fmt=shapes[row.row],
        color=colors[row.row],
        markersize=5.5,
        elinewidth=1.0,
        capsize=2.0,
    )
    axes.annotate(
        f"{faster.value:.1f}x",
        (value, place),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=6.5,
        color=INK,
        path_effects=HALO,
    )
