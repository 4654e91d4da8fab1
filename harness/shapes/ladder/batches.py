"""Batches for the rungs above the teacher, whose text encoders are frozen."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.shapes.ladder.latents import ClipLatents
from harness.shapes.ladder.model import Teacher

Batch = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]
"""Clean latents, the transformer's text arguments for their captions, and the same for the empty caption."""


def conditioned_batches(teacher: Teacher, clips: ClipLatents, batch_size: int) -> Callable[[torch.Generator], Batch]:
    """A function that draws a batch; all its tensors are in float32 and without gradients."""
    with torch.no_grad():
        empty = teacher.encode(*teacher.tokenize([""]))

    def draw(generator: torch.Generator) -> Batch:
        latents, captions = clips.draw(batch_size, generator)
        with torch.no_grad():
            said = teacher.encode(*teacher.tokenize(captions))
        unsaid = {name: value.expand(batch_size, *value.shape[1:]) for name, value in empty.items()}
        return latents, said, unsaid

    return draw
