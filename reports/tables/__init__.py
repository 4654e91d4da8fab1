"""Paper tables. Each module here is one table, found by its file name; it offers `TITLE`, `POSITION` and `render`."""

from __future__ import annotations

from typing import Protocol

from reports.discovery import modules
from reports.results import Results


class Table(Protocol):
    """What a module of this package offers."""

    TITLE: str
    POSITION: int
    """Tables appear in the report in this order, then by name."""

    def render(self, results: Results) -> list[str]:
        """Markdown lines, without the heading; none at all where the table has no place in this suite's report."""
        ...


def discover() -> dict[str, Table]:
    """Every table by name, in the report's order."""
    found: dict[str, Table] = modules(__name__, __path__, "render")
    return dict(sorted(found.items(), key=lambda item: (item[1].POSITION, item[0])))
