"""How much of the speedup that FLOPs promise is there on the clock (DisCa, Table 7 and section 8.5.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.records import RowManifest
from reports.estimates import FLOPS_SPEEDUP, SPEEDUP
from reports.figures import Drawn
from reports.figures.style import FAINT, INK, PALETTE, PAPER, arms, dress, file_name, new_figure, save
from reports.results import Results
from reports.rows import is_original
from reports.source import RecordSource

TITLE = "Theoretical and actual speedup"
POSITION = 5

ROW_HEIGHT_IN: Final = 0.27


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """A line per row from the speedup in latency to that in FLOPs, the row with the most FLOPs saved on top."""
    models, drawn = results.compared(), []
    for model, rows in models.items():
        both = {row.row: (_value(results, row, FLOPS_SPEEDUP), _value(results, row, SPEEDUP)) for row in rows}
        shown = [row for row in rows if None not in both[row.row] and not is_original(row)]
        if not shown:
            drawn.append(Drawn(f"{model}: no row besides the original has both its latency and its FLOPs measured."))
            continue
        shown.sort(key=lambda row: -(both[row.row][0] or 0.0))
        path = _figure(results, shown, folder, file_name("theoretical_speedup", model, len(models) == 1))
        drawn.append(
            Drawn(
                f"{model}: speedup over the original, in the transformer's FLOPs (hollow) and in latency (filled, with "
                "95 % bootstrap intervals over prompts). The line between them is what is lost to all that FLOPs do "
                "not count: a method's own bookkeeping, element-wise work, text encoding, decoding.",
                path,
            )
        )
    return drawn


def _value(results: Results, row: RowManifest, measure: str) -> float | None:
    return results.estimate(row.row, measure).value


def _figure(results: Results, rows: list[RowManifest], folder: Path, name: str) -> Path:
    figure = new_figure(8.5, 0.9 + ROW_HEIGHT_IN * len(rows))
    axes = figure.subplots()
    dress(axes, "x")
    for place, row in enumerate(rows):
        theory, actual = results.estimate(row.row, FLOPS_SPEEDUP), results.estimate(row.row, SPEEDUP)
        promised, kept = theory.value or 0.0, actual.value or 0.0
        axes.plot([promised, kept], [place, place], color=FAINT, linewidth=1.2, zorder=1)
        first = place == 0
        axes.plot(
            promised,
            place,
            "D",
            color=PALETTE[1],
            markerfacecolor=PAPER,
            markersize=5.5,
            linestyle="none",
            label="theoretical (FLOPs)" if first else None,
        )
        axes.errorbar(
            kept,
            place,
            xerr=arms(actual),
            fmt="o",
            color=PALETTE[0],
            markersize=5.5,
            capsize=2.5,
            elinewidth=1.0,
            label="actual (latency)" if first else None,
        )
    axes.axvline(1.0, color=INK, linewidth=1.0, linestyle=":", zorder=0)
    axes.set_yticks(range(len(rows)), [row.row for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(left=0)
    axes.set_xlabel("times faster than the original", fontsize=9)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    return save(figure, folder, name)
