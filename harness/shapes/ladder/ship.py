"""Put a trained ladder where it ships: the teacher's pipeline as it is, the rungs packed for it."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.shapes.ladder.rungs import RUNGS
from harness.training.pack import pack
from methods.students.rung import CARD


def ship_ladder(work: Path, out: Path) -> tuple[Path, ...]:
    """Copy `work/pipeline` to `out/model` and pack each rung of `work/rungs` that is trained to `out/rungs`.

    What was there of them is replaced. Returns the folders written.

    Raises:
        ModelError: a rung does not go with the pipeline.
    """
    model = out / "model"
    _replace(work / "pipeline", model)
    written = [model]
    for rung in RUNGS:
        trained, packed = work / "rungs" / rung.name, out / "rungs" / rung.name
        if (trained / CARD).exists():
            shutil.rmtree(packed, ignore_errors=True)
            pack(trained, str(model), packed)
            written.append(packed)
    return tuple(written)


def _replace(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
