"""The semantic score and its nine dimensions, a bar per method, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from harness.records import RowManifest
from reports.dimensions import SEMANTIC, title
from reports.figures import Drawn
from reports.figures.style import HATCHES, INK, PAPER, dress, file_name, method_colors, new_figure, save, settings
from reports.results import Results
from reports.scores import SEMANTIC_SCORE
from reports.source import RecordSource

TITLE = "Semantic dimensions"
POSITION = 6

MEASURES: Final = (SEMANTIC_SCORE, *SEMANTIC)
GROUPS_PER_LINE: Final = 5


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """One figure per model that was judged at all."""
    models = results.compared()
    drawn = []
    for model, rows in models.items():
        judged = [row for row in rows if any(results.estimate(row.row, name).value is not None for name in MEASURES)]
        if not judged:
            drawn.append(Drawn(f"{model}: no row has been judged."))
            continue
        path = _figure(results, judged, folder, file_name("semantic_dimensions", model, len(models) == 1))
        drawn.append(
            Drawn(
                f"{model}: semantic dimensions in percent, judged by `{results.judge}`. Whiskers are 95 % bootstrap "
                "intervals over prompts; a bar that is absent has no value.",
                path,
            )
        )
    return drawn


def _figure(results: Results, rows: list[RowManifest], folder: Path, name: str) -> Path:
    colors, numbers = method_colors(rows), settings(rows)
    figure = new_figure(10.5, 5.8)
    lines = figure.subplots(2, 1, sharey=True)
    width = 0.84 / len(rows)
    for axes, start in zip(lines, (0, GROUPS_PER_LINE), strict=True):
        group = MEASURES[start : start + GROUPS_PER_LINE]
        dress(axes, "y")
        for place, row in enumerate(rows):
            x = np.arange(len(group)) + (place - (len(rows) - 1) / 2) * width
            estimates = [results.estimate(row.row, measure) for measure in group]
            heights = np.array([np.nan if item.value is None else item.value for item in estimates])
            arms = np.zeros((2, len(group)))
            for index, item in enumerate(estimates):
                if item.interval is not None and item.value is not None:
                    arms[:, index] = max(item.value - item.interval.low, 0), max(item.interval.high - item.value, 0)
            axes.bar(
                x,
                heights,
                width * 0.9,
                color=colors[row.row],
                alpha=1.0 if numbers[row.row] == 0 else 0.62,
                hatch=HATCHES[numbers[row.row] % len(HATCHES)],
                edgecolor=PAPER,
                linewidth=0.0,
                label=row.row,
            )
            axes.errorbar(x, heights, yerr=arms, fmt="none", ecolor=INK, elinewidth=0.9, capsize=1.6)
        axes.set_xticks(np.arange(len(group)), [title(measure) for measure in group], fontsize=9)
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 105)
        axes.set_yticks(range(0, 101, 25))
        axes.set_ylabel(f"{results.judge} (%)", fontsize=9)
    handles, labels = lines[0].get_legend_handles_labels()
    # About 150 characters of this size fit beside each other; a key takes the room of six.
    columns = max(1, min(len(rows), 150 // (max(map(len, labels)) + 6)))
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=8, frameon=False)
    return save(figure, folder, name)
