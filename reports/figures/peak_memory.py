"""Peak memory, split into what the method keeps and everything else: DisCa's Figure 7, for every row."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.records import RowManifest
from reports.columns import BYTES, Column
from reports.figures import Drawn
from reports.figures.style import INK, PALETTE, PAPER, dress, file_name, new_figure, save
from reports.results import Results
from reports.source import RecordSource

TITLE = "Peak memory and cache"
POSITION = 10

ROW_HEIGHT_IN: Final = 0.3
_INSTRUMENTS: Final = {
    "cuda_max_allocated": "the device allocator's peak, weights included",
    "rss_delta": "the rise of the process's resident memory during the video, weights not included",
}


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """Two panels: the cache by itself, which is exact, and the measured peak it is a part of."""
    models, drawn = results.compared(), []
    for model, rows in models.items():
        shown = [row for row in rows if results.estimate(row.row, "cache_bytes").value is not None]
        if not shown:
            drawn.append(Drawn(f"{model}: no video has been measured."))
            continue
        path = _figure(results, shown, folder, file_name("peak_memory", model, len(models) == 1))
        of_rows = results.cells["row"].isin([row.row for row in shown])
        found = set(results.cells[of_rows]["memory_instrument"].dropna())
        measured = " and ".join(_INSTRUMENTS[name] for name in sorted(found))
        drawn.append(
            Drawn(
                f"{model}: left, bytes of all tensors a method keeps between steps; right, peak memory ({measured}).",
                path,
            )
        )
    return drawn


def _figure(results: Results, rows: list[RowManifest], folder: Path, name: str) -> Path:
    figure = new_figure(9.5, 0.9 + ROW_HEIGHT_IN * len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    cache, places = _values(results, rows, "cache_bytes"), np.arange(len(rows))
    for axes, measure, label in ((left, "cache_bytes", "cache"), (right, "peak_memory_bytes", "peak memory")):
        dress(axes, "x")
        values = _values(results, rows, measure)
        unit = Column(measure, label, None, 1, BYTES).unit(results.estimate(row.row, measure) for row in rows)
        own = np.minimum(cache, values) / unit.per
        axes.barh(
            places, own, height=0.7, color=PALETTE[1], hatch="////", edgecolor=PAPER, linewidth=0.3, label="cache"
        )
        if axes is right:
            rest = values / unit.per - own
            axes.barh(places, rest, height=0.7, left=own, color=INK, alpha=0.55, label="all else")
        axes.set_xlabel(f"{label} ({unit.name})", fontsize=9)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    left.set_yticks(places, [row.row for row in rows], fontsize=8)
    left.set_ylim(len(rows) - 0.45, -0.55)
    return save(figure, folder, name)


def _values(results: Results, rows: list[RowManifest], measure: str) -> npt.NDArray[np.float64]:
    estimates = [results.estimate(row.row, measure).value for row in rows]
    return np.array([np.nan if value is None else value for value in estimates])
