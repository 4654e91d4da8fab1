"""Configurations as JSON has them, with lists, and as methods have them, with tuples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Tuples as lists, so that a configuration equals itself after JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def as_tuples(value: Any) -> Any:
    """Lists as tuples, since the fields of a method are frozen."""
    if isinstance(value, Mapping):
        return {key: as_tuples(item) for key, item in value.items()}
    return tuple(map(as_tuples, value)) if isinstance(value, list) else value
