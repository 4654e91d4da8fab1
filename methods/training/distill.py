"""What the distillations share: the check at the start, the loop, and the rung at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor, nn

from methods.students.rung import Rung, read_card
from methods.students.student import Student, write_student
from methods.training.flow import FlowBatch
from methods.training.loop import (
    Batches,
    LoopConfig,
    LossValues,
    Report,
    Trained,
    TrainingError,
    device_of,
    iteration_generator,
    once,
    provenance,
    train,
)

_START_TOLERANCE = 1e-5
"""Relative to the teacher's largest value: kernels may add up in another order for other weights' addresses."""

StudentLoss = Callable[[nn.Module, FlowBatch, torch.Generator], LossValues]
"""Of the student (maybe wrapped for several devices), a batch on its device and the iteration's generator."""


@dataclass(frozen=True, slots=True)
class Distillation:
    """One rung to be trained: who, from whom, by which loss, and what its folder says in the end."""

    kind: str
    student: Student
    parent: str
    """sha256 of the teacher; see `Rung.parent`."""
    guidance_range: tuple[float, float]
    loss: StudentLoss
    trained: Trained
    settings: Mapping[str, Any]
    """The rung's own hyper-parameters, for its provenance."""


def distill(
    distillation: Distillation,
    batches: Batches,
    loop: LoopConfig,
    folder: Path,
    report: Report | None = None,
    dtype: torch.dtype = torch.float32,
) -> Rung:
    """Train, then write the rung to `folder` in `dtype`; checkpoints are in `folder/training`.

    The average of the weights is what is written, where one is kept.
    """
    student, began = distillation.student, time.time()

    def losses(modules: Mapping[str, nn.Module], batch: Any, generator: torch.Generator, _: int) -> LossValues:
        return distillation.loss(modules["student"], batch, generator)

    best = train({"student": distillation.trained}, losses, batches, loop, folder / "training", report)["student"]
    assert isinstance(best, Student)
    trained = distillation.trained
    said = provenance(loop, distillation.settings, began) | {
        "learning_rate": trained.learning_rate,
        "betas": list(trained.betas),
        "weight_decay": trained.weight_decay,
        "ema_decay": trained.ema_decay,
    }
    write = partial(
        write_student,
        folder,
        best,
        kind=distillation.kind,
        parent=distillation.parent,
        guidance_range=distillation.guidance_range,
        provenance=said,
        dtype=dtype,
    )
    once(loop, write)
    return read_card(folder, kinds=(distillation.kind,), family=student.family.name)


def first_batch(batches: Batches, loop: LoopConfig) -> tuple[FlowBatch, torch.Generator]:
    """A batch for the check at the start and a generator for its noise, drawn as in no iteration."""
    generator = iteration_generator(loop.seed, 0, -1)
    batch: FlowBatch = send_to_device(batches(generator), device_of(loop))
    return batch, generator


def check_start(student: Tensor, teacher: Tensor, what: str) -> None:
    """Refuse to train a student that does not begin as its teacher.

    Raises:
        TrainingError: their outputs differ; `what` says between which calls.
    """
    apart = float((student - teacher).abs().max())
    if not apart <= _START_TOLERANCE * float(teacher.abs().max()):
        raise TrainingError(f"{what}: the student is {apart:.2e} away from its teacher before training; fix its start")
