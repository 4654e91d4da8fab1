"""Tables. Each module here is one, found by its file name; it offers `TITLE`, `POSITION` and `sheet`.

`efficiency` and its like show any suite. Those named after a paper's table rebuild it: they are in the report of a
suite that has a row of it, and for another suite they show what is published.
"""

from __future__ import annotations

from typing import Protocol

from harness.errors import HarnessError, nearest
from reports.discovery import modules
from reports.results import Results
from reports.sheet import Sheet


class Table(Protocol):
    """What a module of this package offers."""

    TITLE: str
    POSITION: int
    """Tables appear in the report in this order, then by name."""

    def sheet(self, results: Results) -> Sheet:
        """The table of a suite; one without blocks where it has nothing to say of this suite."""
        ...

    def belongs(self, results: Results) -> bool:
        """Whether the table has a place in this suite's report."""
        ...


def discover() -> dict[str, Table]:
    """Every table by name, in the report's order."""
    found: dict[str, Table] = modules(__name__, __path__, "sheet")
    return dict(sorted(found.items(), key=lambda item: (item[1].POSITION, item[0])))


def load(name: str) -> Table:
    """A table by its file's name.

    Raises:
        HarnessError: there is none of that name; the message names the nearest one.
    """
    found = discover()
    if name not in found:
        raise HarnessError(f"unknown table {name!r}{nearest(name, found)}")
    return found[name]
