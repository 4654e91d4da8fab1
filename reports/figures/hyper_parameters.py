"""What a method's hyper-parameters trade: quality against latency, a panel a method (MixCache, Figure 11)."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes

from harness.records import RowManifest
from reports.figures import Drawn
from reports.figures.plane import mark_original
from reports.figures.qualities import qualities
from reports.figures.style import HALO, MARKERS, PALETTE, arms, dress, file_name, new_figure, save
from reports.results import Results
from reports.rows import is_original
from reports.source import RecordSource

TITLE = "Hyper-parameters"
POSITION = 4

COLUMNS: Final = 3
NAMED_PARAMETERS: Final = 2
"""Settings that differ in more than these are called by their row's name."""


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """The methods that a suite runs at several settings; all panels of a figure have the same axes."""
    models, drawn = results.compared(), []
    for model, rows in models.items():
        found = qualities(results, rows)
        measure, label = found[-1] if found else ("", "")  # fidelity, as in the paper, where there is any
        swept = settings_by_method(results, rows, measure) if found else {}
        if not swept:
            drawn.append(Drawn(f"{model}: no method was measured at more than one setting."))
            continue
        name = file_name("hyper_parameters", model, len(models) == 1)
        path = _figure(results, rows, swept, measure, label, folder, name)
        drawn.append(
            Drawn(
                f"{model}: the settings of each method, joined in the order of their latency. Bars are 95 % bootstrap "
                "intervals over prompts; the dotted line is the original's latency.",
                path,
            )
        )
    return drawn


def settings_by_method(results: Results, rows: list[RowManifest], measure: str) -> dict[str, list[RowManifest]]:
    """Rows by method, fastest first, of the methods that have more than one with a latency and the measure."""
    groups: defaultdict[str, list[RowManifest]] = defaultdict(list)
    for row in rows:
        values = [results.estimate(row.row, name).value for name in ("latency_s", measure)]
        if not is_original(row) and None not in values:
            groups[row.method].append(row)
    return {
        method: sorted(group, key=lambda row: results.estimate(row.row, "latency_s").value or 0.0)
        for method, group in groups.items()
        if len(group) > 1
    }


def differing(rows: list[RowManifest]) -> tuple[str, ...]:
    """The parameters that tell the rows of one method apart; none where these are many, or no plain values."""
    configs = [row.config for row in rows]
    keys = [key for key in configs[0] if any(config.get(key) != configs[0][key] for config in configs)]
    plain = all(isinstance(config.get(key), bool | int | float | str) for config in configs for key in keys)
    return tuple(keys) if plain and len(keys) <= NAMED_PARAMETERS else ()


def _figure(
    results: Results,
    rows: list[RowManifest],
    swept: dict[str, list[RowManifest]],
    measure: str,
    label: str,
    folder: Path,
    name: str,
) -> Path:
    columns = min(COLUMNS, len(swept))
    lines = math.ceil(len(swept) / columns)
    figure = new_figure(3.9 * columns, 2.5 * lines + 0.3)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    original = results.estimate(rows[0].row, "latency_s").value if is_original(rows[0]) else None
    for place, (axes, (method, group)) in enumerate(zip(panels.flatten(), swept.items(), strict=False)):
        _panel(axes, results, group, measure, place)
        axes.set_title(": ".join([method, *filter(None, [", ".join(differing(group))])]), fontsize=9, loc="left")
        if original is not None:
            mark_original(axes, original)
    for axes in panels.flatten()[len(swept) :]:
        axes.set_visible(False)
    panels[0][0].set_xlim(left=0)
    figure.supxlabel("latency per video (s)", fontsize=9)
    figure.supylabel(label, fontsize=9)
    return save(figure, folder, name)


def _panel(axes: Axes, results: Results, rows: list[RowManifest], measure: str, place: int) -> None:
    dress(axes)
    axes.margins(0.12, 0.16)
    keys = differing(rows)
    estimates = [(results.estimate(row.row, "latency_s"), results.estimate(row.row, measure)) for row in rows]
    color, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
    points = [(cost.value or 0.0, quality.value or 0.0) for cost, quality in estimates]
    axes.plot([x for x, _ in points], [y for _, y in points], color=color)
    for row, (cost, quality), (x, y) in zip(rows, estimates, points, strict=True):
        axes.errorbar(
            x,
            y,
            xerr=arms(cost),
            yerr=arms(quality),
            fmt=marker,
            color=color,
            markersize=5.5,
            elinewidth=1.0,
            capsize=2.0,
        )
        axes.annotate(
            ", ".join(str(row.config[key]) for key in keys) or row.row,
            (x, y),
            xytext=(7, -11),
            textcoords="offset points",
            fontsize=7,
            path_effects=HALO,
        )
