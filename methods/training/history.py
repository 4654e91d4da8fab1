"""The losses of a training, one line of JSON an iteration, beside its checkpoints."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from methods.training.loop import Progress, Report

HISTORY = "history.jsonl"


@dataclass(frozen=True, slots=True)
class Moment:
    """One iteration, counted from 1: its losses and gradient norms by name, seconds trained, and the time of day."""

    iteration: int
    losses: Mapping[str, float]
    gradient_norms: Mapping[str, float]
    spent_s: float
    time_s: float
    """Since the epoch."""


class History:
    """A `Report` that writes every iteration to `folder/history.jsonl`, and hands it on to `other`.

    A training that is continued forgets what was written after its checkpoint.
    """

    def __init__(self, folder: Path, other: Report | None = None) -> None:
        """`folder` is that of the checkpoints; it need not exist yet."""
        self._path, self._other = folder / HISTORY, other
        self._opened = False

    def __call__(self, progress: Progress) -> None:
        """See `Report`."""
        if not self._opened:
            _keep_before(self._path, progress.iteration)
            self._opened = True
        moment = Moment(
            progress.iteration, dict(progress.losses), dict(progress.gradient_norms), progress.spent_s, time.time()
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(moment)) + "\n")
        if self._other is not None:
            self._other(progress)


def read_history(folder: Path) -> list[Moment]:
    """What `History` wrote to `folder`, in order; empty where nothing was. A last line cut short is left out."""
    path = folder / HISTORY
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [Moment(**json.loads(line)) for line in lines[:-1]]


def _keep_before(path: Path, iteration: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [moment for moment in read_history(path.parent) if moment.iteration < iteration]
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text("".join(json.dumps(asdict(moment)) + "\n" for moment in kept), encoding="utf-8")
    os.replace(unfinished, path)
