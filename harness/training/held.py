"""Which training a folder holds: two trainings never go on from each other's checkpoints."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_FILE: Final = "training.json"


@dataclass(frozen=True, slots=True)
class HeldTraining:
    """A training's folder, and what identifies the training that is to go on there: names and plain JSON values."""

    folder: Path
    identity: Mapping[str, Any]

    def changed(self) -> list[str]:
        """Names of what is other in the training that the folder holds; empty where it holds none."""
        found = self._read()
        if found is None:
            return []
        held, wanted = found["identity"], json.loads(json.dumps(self.identity))
        return sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))

    def finished_iterations(self) -> int | None:
        """How long the training was when it came to its end; None where it has not yet."""
        found = self._read()
        iterations: int | None = found["finished_iterations"] if found is not None else None
        return iterations

    def remember(self, finished_iterations: int | None) -> None:
        """Write that this training is held, finished or not yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        said = {"identity": self.identity, "finished_iterations": finished_iterations}
        unfinished = self._path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
        os.replace(unfinished, self._path)

    @property
    def _path(self) -> Path:
        return self.folder / _FILE

    def _read(self) -> dict[str, Any] | None:
        if not self._path.is_file():
            return None
        found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return found
