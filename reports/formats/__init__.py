"""How a table is written. Each module here is one format, found by its file name; it offers `SUFFIX` and `render`."""

from __future__ import annotations

from typing import Protocol

from harness.errors import HarnessError, nearest
from reports.discovery import modules
from reports.sheet import Sheet


class Format(Protocol):
    """What a module of this package offers."""

    SUFFIX: str
    """Of a file in this format, with its dot."""

    def render(self, sheet: Sheet) -> str:
        """The table, ending in one line break. Its title is left to a document's own heading where it has headings."""
        ...


def load(name: str) -> Format:
    """A format by its file's name.

    Raises:
        HarnessError: there is none of that name; the message names the nearest one.
    """
    found: dict[str, Format] = modules(__name__, __path__, "render")
    if name not in found:
        raise HarnessError(f"unknown format {name!r}{nearest(name, found)}")
    return found[name]
