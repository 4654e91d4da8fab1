"""Quality against latency: DisCa's and MixCache's trade-off in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.columns import SECONDS, Column
from reports.figures import Drawn
from reports.figures.plane import draw_planes
from reports.results import Results
from reports.source import RecordSource

TITLE = "Quality against latency"
POSITION = 1

LATENCY: Final = Column("latency_s", "latency per video", "lower", 2, SECONDS)


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """See `reports.figures.plane`."""
    return draw_planes(results, folder, "quality_latency", LATENCY)
