"""One thing that a suite needs, and whether it is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.dimensions import QUALITY, SEMANTIC
from harness.doctor.weights import WeightFile


class Kind(StrEnum):
    """What it is."""

    PACKAGE = "package"
    FILE = "file"
    MODEL = "model"
    DISK = "disk"


class State(StrEnum):
    """Whether it is there."""

    READY = "ready"
    UNCHECKED = "unchecked"
    """There, and nothing is published that it could be compared with."""
    MISSING = "missing"
    DAMAGED = "damaged"
    """There, and not what it should be."""


@dataclass(frozen=True)
class Requirement:
    """Shown as a line of `harness doctor`."""

    needed_by: tuple[str, ...]
    """Metrics, dimensions of VBench, or labels of models."""
    kind: Kind
    name: str
    state: State
    place: str
    """Where it lies, or must lie; the home folder as `~`."""
    remedy: str
    """What to do where it is not ready."""
    bytes: int | None = None
    about_bytes: int | None = None
    """Where the exact size is not known, but one like it is."""
    detail: str | None = None
    """What is wrong with it."""
    weights: WeightFile | None = None
    """What `--fetch` can get."""
    path: Path | None = None
    """Where to."""

    @property
    def lacking(self) -> bool:
        """Whether what needs it cannot be done."""
        return self.state in (State.MISSING, State.DAMAGED)

    @property
    def users(self) -> str:
        """What it is needed by, for people."""
        whole = set(self.needed_by) == {*QUALITY, *SEMANTIC}
        return "all dimensions of VBench" if whole else ", ".join(self.needed_by)

    @property
    def step(self) -> str:
        """What to do where it lacks."""
        return f"{self.remedy}, put it at {self.place}" if self.kind is Kind.FILE else self.remedy

    @property
    def size(self) -> str:
        """For people: exact, about, or unknown; nothing where nobody asks."""
        if self.kind not in (Kind.FILE, Kind.MODEL):
            return ""
        if self.bytes is not None:
            return _size(self.bytes)
        return f"~{_size(self.about_bytes)}" if self.about_bytes is not None else "unknown"


def shown(path: Path) -> str:
    """A path without the user's name."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _size(count: int) -> str:
    for per, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if count >= per:
            return f"{count / per:.3g} {unit}"
    return f"{count} B"
