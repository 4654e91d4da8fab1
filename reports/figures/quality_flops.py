"""Quality against the transformer's floating-point operations, which are the same on every device."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.columns import OPERATIONS, Column
from reports.figures import Drawn
from reports.figures.plane import draw_planes
from reports.results import Results
from reports.source import RecordSource

TITLE = "Quality against FLOPs"
POSITION = 2

FLOPS: Final = Column("flops", "number of FLOPs per video", "lower", 2, OPERATIONS)


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """See `reports.figures.plane`."""
    return draw_planes(results, folder, "quality_flops", FLOPS)
