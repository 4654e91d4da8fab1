"""Figures. Each module here that offers `draw` is one figure, found by its file name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reports.discovery import modules
from reports.results import Results
from reports.source import RecordSource


@dataclass(frozen=True)
class Drawn:
    """A PNG on disk and the sentence under it; `path` is None where there is nothing to draw, and the sentence
    then says why."""

    caption: str
    path: Path | None = None


class Figure(Protocol):
    """What a module of this package offers."""

    TITLE: str
    POSITION: int
    """Figures appear in the report in this order, then by name."""

    def draw(self, results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
        """Write PNG files into `folder`, one per model; none at all where the figure has no place in the report."""
        ...


def discover() -> dict[str, Figure]:
    """Every figure by name, in the report's order."""
    found: dict[str, Figure] = modules(__name__, __path__, "draw")
    return dict(sorted(found.items(), key=lambda item: (item[1].POSITION, item[0])))
