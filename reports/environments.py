"""Reading the environment a cell was made in (`harness.environment` writes it). Timings are compared only between
equal environments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.records import CellRecord

UNKNOWN: Final = "unknown"


def device(environment: Mapping[str, Any] | None) -> str:
    """What the cell ran on, such as `NVIDIA H100` or a CPU's model name; `unknown` where nothing was recorded."""
    return str((environment or {}).get("device_name") or UNKNOWN)


def timing_class(environment: Mapping[str, Any] | None) -> str:
    """Everything that decides how long the same work takes: device, torch and, on a CPU, the threads given to it.

    Not the environment's fingerprint, which also holds the commit: a suite that is resumed after a commit is still one
    suite, and a change to a method changes its cell ids.
    """
    known = environment or {}
    parts = [device(known)]
    if torch := (known.get("packages") or {}).get("torch"):
        parts.append(f"torch {torch}")
    if known.get("device") == "cpu" and (threads := known.get("threads")):
        parts.append("1 thread" if threads == 1 else f"{threads} threads")
    return ", ".join(parts)


def versions(environment: Mapping[str, Any] | None) -> dict[str, str]:
    """`commit`, `python`, `cuda` and every package by name, as far as they were recorded."""
    known = environment or {}
    found = {name: known.get(name) for name in ("commit", "python", "cuda")} | dict(known.get("packages") or {})
    return {name: str(value) for name, value in found.items() if value}


def distinct(records: Iterable[CellRecord], name: str) -> list[str]:
    """Every value of `device` or of one of `versions` among the records, sorted."""
    if name == "device":
        return sorted({device(record.environment) for record in records})
    return sorted({value for record in records if (value := versions(record.environment).get(name))})
