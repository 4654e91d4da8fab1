"""Tables and marks."""

from __future__ import annotations

import pytest

from reports.markdown import escape, superscript, table


def test_table() -> None:
    """Numbers to the right, text to the left."""
    assert table(["a", "b"], [["x", "1"]]) == ["| a | b |", "| :--- | ---: |", "| x | 1 |"]
    assert table(["a", "b"], [], numbers=False)[1] == "| :--- | :--- |"


def test_uneven_row_is_refused() -> None:
    """A shifted column would put numbers under the wrong heading."""
    with pytest.raises(ValueError, match="1 cells under 2 headings: x"):
        table(["a", "b"], [["x"]])


def test_escape() -> None:
    """A prompt may hold anything."""
    assert escape("a | b\nc") == "a \\| b c"


def test_superscript() -> None:
    assert superscript(120) == "¹²⁰"
