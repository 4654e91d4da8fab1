"""What people preferred (DisCa, Figure 6): votes for, for neither and against, beside Bradley and Terry's strengths.

The paper's supplementary text names that figure and does not describe it; shares of votes are how such studies are
usually drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from reports.figures import Drawn
from reports.figures.style import FAINT, HATCHES, INK, LIGHT, PALETTE, PAPER, dress, file_name, new_figure, save
from reports.results import Results
from reports.source import RecordSource
from reports.study.results import RowPreference

TITLE = "User study, votes"
POSITION = 12

ROW_HEIGHT_IN: Final = 0.34
OUTCOMES: Final = (
    ("won", "preferred", PALETTE[0], ""),
    ("tied", "no difference", LIGHT, HATCHES[4]),
    ("lost", "the other preferred", PALETTE[1], HATCHES[1]),
)


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """Two panels: how each row's votes went, and its strength with an interval, the strongest row on top."""
    if results.study is None:
        return []
    models, drawn = results.study.models, []
    for model, rows in models.items():
        path = _figure(rows, folder, file_name("user_study", model, len(results.models()) == 1))
        drawn.append(
            Drawn(
                f"{model}: left, votes on each row's videos against all others'; right, Bradley and Terry's strength, "
                "with 95 % bootstrap intervals over prompts and raters. A row without a mark has no finite strength.",
                path,
            )
        )
    return drawn


def _figure(rows: tuple[RowPreference, ...], folder: Path, name: str) -> Path:
    ordered = sorted(rows, key=lambda row: -row.overall.rate)
    figure = new_figure(9.5, 1.1 + ROW_HEIGHT_IN * len(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _votes(left, ordered)
    _strengths(right, ordered)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(OUTCOMES), fontsize=8, frameon=False)
    left.set_yticks(np.arange(len(ordered)), [row.row for row in ordered], fontsize=8)
    left.set_ylim(len(ordered) - 0.45, -0.55)
    return save(figure, folder, name)


def _votes(axes: Axes, rows: list[RowPreference]) -> None:
    dress(axes, "x")
    places, start = np.arange(len(rows)), np.zeros(len(rows))
    for outcome, label, color, hatch in OUTCOMES:
        share = np.array([100 * getattr(row.overall, outcome) / row.overall.votes for row in rows])
        axes.barh(places, share, 0.7, start, color=color, hatch=hatch, edgecolor=PAPER, linewidth=0.3, label=label)
        start += share
    for place, row in enumerate(rows):
        axes.text(101, place, str(row.overall.votes), fontsize=7, va="center", color=INK)
    axes.set_xlim(0, 100)
    axes.set_xlabel("votes (%), their number at the end", fontsize=9)


def _strengths(axes: Axes, rows: list[RowPreference]) -> None:
    dress(axes, "x")
    axes.axvline(0, color=FAINT, linewidth=0.8)
    for place, row in enumerate(rows):
        if row.strength is None:
            continue
        axes.plot(row.strength, place, "o", color=INK, markersize=5)
        if row.strength_interval is not None:
            axes.hlines(place, *row.strength_interval, color=INK, linewidth=1.2)
    axes.set_xlabel("Bradley-Terry strength", fontsize=9)
