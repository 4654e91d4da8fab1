"""Reading the environment a cell was made in (`harness.environment` writes it). Timings are compared only between
equal environments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

UNKNOWN: Final = "unknown"

Environment = Mapping[str, Any] | None


def device(environment: Environment) -> str:
    """What the cell ran on, such as `NVIDIA H100` or a CPU's model name; `unknown` where nothing was recorded."""
    return str((environment or {}).get("device_name") or UNKNOWN)


def timing_class(environment: Environment) -> str:
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


def versions(environment: Environment) -> dict[str, str]:
    """`commit`, `python`, `cuda` and every package by name, as far as they were recorded."""
    known = environment or {}
    found = {name: known.get(name) for name in ("commit", "python", "cuda")} | dict(known.get("packages") or {})
    return {name: str(value) for name, value in found.items() if value}


def different(environments: Iterable[Environment]) -> tuple[list[Environment], list[int]]:
    """Each environment that occurs once, and the place of every one among them: a suite's many cells share a few."""
    known: list[Environment] = []
    places = []
    for environment in environments:
        if environment not in known:
            known.append(environment)
        places.append(known.index(environment))
    return known, places


def distinct(environments: Iterable[Environment], name: str) -> list[str]:
    """Every value of `device` or of one of `versions` among them, sorted."""
    if name == "device":
        return sorted({device(environment) for environment in environments})
    return sorted({value for environment in environments if (value := versions(environment).get(name))})
