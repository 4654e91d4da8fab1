"""What a row is to the others."""

from __future__ import annotations

from typing import Final

from harness.records import RowManifest

ORIGINAL: Final = "original"
"""The method that changes nothing."""


def is_original(row: RowManifest) -> bool:
    """Whether others are compared with it.

    A row without a baseline need not be one, because a suite may have no original.
    """
    return row.method == ORIGINAL and row.baseline is None
