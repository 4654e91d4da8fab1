"""Plain GitHub Markdown: pipe tables, footnotes that stay under their table, nothing that needs HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reports.estimates import Estimate

_SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

NOT_APPLICABLE: Final = "-"
"""The question makes no sense, such as an original's distance from itself."""
ABSENT: Final = "n/a"
"""There should be a number and there is none; a footnote says why."""
UNDECIDED: Final = "≈"
"""Beside a value that cannot be told from the original's."""


class Footnotes:
    """Collects remarks; equal remarks share a number. One instance per table."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def mark(self, text: str) -> str:
        """The superscript number that refers to the remark."""
        if text not in self._texts:
            self._texts.append(text)
        return str(self._texts.index(text) + 1).translate(_SUPERSCRIPTS)

    def lines(self) -> list[str]:
        """One line per remark, each ending in a hard break so that they stay apart when rendered."""
        return [f"{str(number).translate(_SUPERSCRIPTS)} {text}  " for number, text in enumerate(self._texts, start=1)]


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


def sentence(estimate: Estimate) -> str:
    """Why an estimate is absent or rests on fewer cells than planned, as a footnote."""
    reason = escape(estimate.reason or "no reason recorded")
    reason = reason.rstrip(".")
    if estimate.value is None:
        return f"{reason[:1].upper()}{reason[1:]}."
    return f"From {estimate.n} of {estimate.expected} cells ({reason})."
