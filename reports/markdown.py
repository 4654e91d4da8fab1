"""Plain GitHub Markdown: pipe tables, nothing that needs HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(number: int) -> str:
    """The mark of a note."""
    return str(number).translate(_SUPERSCRIPTS)


def escape(text: str) -> str:
    """Make free text (prompts, error messages) safe inside a table's cell: one line, no column separators."""
    return " ".join(text.split()).replace("|", "\\|")


def bold(text: str) -> str:
    """For the best value of a column."""
    return f"**{text}**"


def italic(text: str) -> str:
    """For the second-best value of a column."""
    return f"*{text}*"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> list[str]:
    """Lines of a pipe table, first column left-aligned, the others right-aligned unless they hold text.

    Raises ValueError for a row that is not as long as the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells under {len(header)} headings: {row[0] if row else ''}")
    rule = [":---", *["---:" if numbers else ":---"] * (len(header) - 1)]
    return [f"| {' | '.join(line)} |" for line in (header, rule, *rows)]


def plural(count: int, noun: str) -> str:
    """`1 cell`, `2 cells`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
