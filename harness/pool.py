"""What the driver asks of workers, and what it hears from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.records import CellRecord, Status
from harness.resources import Resources
from harness.task import CellTask


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker was built and may be given cells; `place` says where it lives, for people.

    `device` is the same for whatever process holds the same device; empty: `place` says it all.
    `offers` is what it was given; None: enough for every cell.
    """

    worker: str
    place: str
    device: str = ""
    offers: Resources | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A worker could not be built."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Returned:
    """A worker ended its cell with a record, of whatever status."""

    worker: str
    record: CellRecord


@dataclass(frozen=True, slots=True)
class Raised:
    """A worker ended its cell with an exception, which is a bug; it lives on."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Full:
    """A worker could not store its cell, since there is no room; neither of them is to blame."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone. `charge`: its cell may be the cause, so the attempt counts."""

    worker: str
    reason: str
    status: Status = Status.FAILED
    charge: bool = True


Report = Ready | Broken | Returned | Raised | Full | Lost


class Pool(Protocol):
    """Workers that take one cell at a time."""

    def start(self, worker: str) -> None:
        """Begin to build a worker of this name; Ready or Broken will be reported."""

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        """Give a ready worker its next cell; Returned, Raised, Full or Lost will be reported."""

    def kill(self, worker: str) -> None:
        """End a worker at once; nothing more will be reported about it."""

    def wait(self, timeout_s: float) -> list[Report]:
        """What happened, as soon as something did, or nothing after the timeout."""
