"""Where the time of a video goes: MixCache's Figure 10, for every row."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from harness.records import RowManifest
from reports.decisions import COMPUTED, ordered_kinds
from reports.figures import Drawn
from reports.figures.style import HATCHES, LIGHT, PAPER, dress, file_name, kind_styles, new_figure, save
from reports.results import Results
from reports.source import RecordSource

TITLE = "Where the time goes"
POSITION = 9

ROW_HEIGHT_IN: Final = 0.32
_OUTSIDE: Final = {"text_encode_s": "text encoding", "decode_s": "decoding"}


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """A stacked bar per row that has timed videos."""
    models, drawn = results.compared(), []
    for model, rows in models.items():
        parts = breakdown(results, rows)
        if parts.empty:
            drawn.append(Drawn(f"{model}: no video has been timed."))
            continue
        path = _figure(parts, folder, file_name("latency_breakdown", model, len(models) == 1))
        drawn.append(
            Drawn(
                f"{model}: mean seconds of one video by what they were spent on. Steps are split by what was done in "
                "them; text encoding and decoding are the same for every method.",
                path,
            )
        )
    return drawn


def breakdown(results: Results, rows: list[RowManifest]) -> pd.DataFrame:
    """Mean seconds per video: a line per row (in order), a column per part; parts that do not occur are 0."""
    steps = results.steps
    steps = steps[steps["row"].isin([row.row for row in rows])].dropna(subset=["step_s"])
    if steps.empty:
        return pd.DataFrame()
    videos = steps.groupby("row", observed=True)["cell_id"].nunique()
    sums = steps.groupby(["row", "kind"], observed=True)["step_s"].sum().unstack(fill_value=0)
    table = sums.div(videos, axis=0)[ordered_kinds(steps)]
    outside = results.cells.groupby("row")[list(_OUTSIDE)].mean().rename(columns=_OUTSIDE)
    table = table.join(outside)
    return table.reindex([row.row for row in rows if row.row in table.index])


def _figure(parts: pd.DataFrame, folder: Path, name: str) -> Path:
    outside = list(_OUTSIDE.values())
    steps = [part for part in parts.columns if part not in outside]
    styles = kind_styles(steps) | {"text encoding": (LIGHT, 1), "decoding": (LIGHT, 3)}
    figure = new_figure(9.5, 1.0 + ROW_HEIGHT_IN * len(parts))
    axes = figure.subplots()
    dress(axes, "x")
    left = pd.Series(0.0, index=parts.index)
    for part in parts.columns:
        color, hatch = styles[part]
        label = f"{part} steps" if part == COMPUTED else str(part)
        axes.barh(
            range(len(parts)),
            parts[part],
            height=0.72,
            left=left,
            color=color,
            hatch=HATCHES[hatch],
            edgecolor=PAPER,
            linewidth=0.3,
            label=label,
        )
        left = left + parts[part].fillna(0.0)
    axes.set_yticks(range(len(parts)), list(parts.index), fontsize=8)
    axes.set_ylim(len(parts) - 0.45, -0.55)
    axes.set_xlabel("seconds per video", fontsize=9)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 6), fontsize=8, frameon=False)
    return save(figure, folder, name)
