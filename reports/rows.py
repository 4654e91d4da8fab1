"""What a row is to the others."""

from __future__ import annotations

import json
from typing import Final

from harness.records import RowManifest

ORIGINAL: Final = "original"
"""The method that changes nothing."""


def configuration(row: RowManifest) -> str:
    """The method and its settings, without those that a model's calibration gives it."""
    if row.method == ORIGINAL:
        return ORIGINAL
    plain = {key: value for key, value in row.config.items() if isinstance(value, bool | int | float | str)}
    return f"{row.method} {json.dumps(plain, sort_keys=True)}" if plain else row.method


def is_original(row: RowManifest) -> bool:
    """Whether others are compared with it.

    A row without a baseline need not be one, because a suite may have no original.
    """
    return row.method == ORIGINAL and row.baseline is None
