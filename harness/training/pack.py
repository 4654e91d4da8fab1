"""Packs a trained rung, to be shipped with the pipeline it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch

from harness.errors import ModelError, one_line
from harness.training.run import CHECKPOINTS
from methods.base import MethodError
from methods.students.packing import pack_rung
from methods.students.rung import Rung
from methods.training.history import Moment, read_history

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

AVERAGED_OVER = 20
"""Iterations at either end of a training whose mean loss is written down: single ones differ by half."""


def pack(folder: Path, base: str, out: Path) -> Rung:
    """Write the rung in `folder` to `out` small, for the pipeline `base` (a folder or a hub id); see `pack_rung`.

    What is known of the training's course goes into the card, since its history stays behind.

    Raises:
        ModelError: the rung or the pipeline cannot be read, or they do not go together.
    """
    try:
        transformer = _diffusers.AutoModel.from_pretrained(base, subfolder="transformer", torch_dtype=torch.float32)
        course = course_of(read_history(folder / CHECKPOINTS))
        return pack_rung(folder, out, transformer, provenance={"course": course} if course else None)
    except (MethodError, OSError, ValueError) as error:
        raise ModelError(f"{folder} cannot be packed for {base}: {one_line(error)}") from error


def course_of(history: Sequence[Moment]) -> Mapping[str, Any]:
    """A training in a few numbers: its iterations and seconds, and how each loss began and ended; empty without one."""
    if not history:
        return {}
    values: dict[str, list[float]] = {}
    for moment in history:
        for name, value in moment.losses.items():
            values.setdefault(name, []).append(value)
    return {
        "iterations": history[-1].iteration,
        "seconds": round(history[-1].spent_s, 1),
        "averaged_over": AVERAGED_OVER,
        "losses": {
            name: {"first": _mean(found[:AVERAGED_OVER]), "last": _mean(found[-AVERAGED_OVER:])}
            for name, found in values.items()
        },
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
