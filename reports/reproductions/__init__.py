"""Papers reproduced. Each module here is a paper's document, found by its file name; it offers `SUITE` and `document`.

A document is generated whole from the records of its suite and a small file of notes beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from harness.errors import ReportError, StoreError, nearest
from reports.discovery import modules
from reports.results import Results


class Reproduction(Protocol):
    """What a module of this package offers."""

    SUITE: str
    """Name of the suite that the document is made of."""

    def document(self, results: Results, notes: Path) -> Sequence[str]:
        """Its Markdown lines; `notes` is the file of notes, which need not be there."""
        ...


def load(paper: str) -> Reproduction:
    """A paper's by its file's name.

    Raises:
        ReportError: there is none of that name; the message names the nearest one.
    """
    found: dict[str, Reproduction] = modules(__name__, __path__, "document")
    if paper not in found:
        raise ReportError(f"no reproduction of {paper!r}{nearest(paper, found)}")
    return found[paper]


def write_reproduction(paper: str, results: Results, folder: Path, *, check: bool = False) -> bool:
    """Write `folder/<paper>.md`, or with `check` only look. Whether the file was as it should be.

    Raises:
        ReportError: there is no such reproduction, or its notes in `folder/<paper>_notes.yaml` are wrong.
        StoreError: the folder cannot be read or written.
    """
    path = folder / f"{paper}.md"
    lines = load(paper).document(results, folder / f"{paper}_notes.yaml")
    new = "\n".join(lines).rstrip() + "\n"
    try:
        current = path.is_file() and path.read_text(encoding="utf-8") == new
        if not current and not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(new, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror}); choose another --out") from None
    return current
