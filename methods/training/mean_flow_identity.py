"""What plain and Restricted MeanFlow share: the identity, the student's start and the way to a rung."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import SecondTime, SecondTimeValue
from methods.students.rung import Rung, read_card
from methods.students.student import Student, read_student
from methods.training.derivative import derivative_along
from methods.training.distill import Distillation, StudentLoss, check_start, distill, first_batch
from methods.training.flow import FlowBatch, noise_like, noised, per_sample, uniform
from methods.training.loop import Batches, LoopConfig, LossValues, Report, Trained, TrainingError, device_of

TEACHER_KIND = "cfg_distilled"
"""The rung both are distilled from."""

Times = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
"""(t, r) of a batch, each `(batch,)` on the CPU with 0 <= r <= t <= 1."""

Reduce = Callable[[Tensor], Tensor]
"""The loss of squared errors shaped like the latents."""


@dataclass(frozen=True, slots=True)
class Variant:
    """In what the rungs differ: their name, the times they draw, the loss, the guidance scales, the settings."""

    kind: str
    times: Times
    reduce: Reduce
    guidance_range: tuple[float, float]
    settings: Mapping[str, Any]


def mean_velocity_target(velocity: Tensor, derivative: Tensor, interval: Tensor) -> Tensor:
    """v - (t - r) du/dt for intervals t - r of shape `(batch,)` (arXiv 2505.13447, equation 6)."""
    return velocity - per_sample(interval, velocity) * derivative


def adaptive_loss(squared: Tensor, norm_constant: float, norm_power: float) -> Tensor:
    """Mean over samples of a sample's summed squared error over the same to a power, through which nothing learns."""
    summed = squared.flatten(1).sum(dim=1)
    return (summed / (summed.detach() + norm_constant) ** norm_power).mean()


def new_student(teacher: Student, second_time: SecondTime, second_time_value: SecondTimeValue) -> Student:
    """A student that begins as a CFG-distilled teacher and also takes r.

    At r = t it says what the teacher does, and under `sum` at every r.

    Raises:
        ValueError: `second_time` is `none`.
    """
    if second_time == "none":
        raise ValueError("second_time is 'none'; a MeanFlow student must be told r: give 'sum' or 'average'")
    config = replace(teacher.config, second_time=second_time, second_time_value=second_time_value)
    student = Student.beside(teacher.family, teacher.transformer, config)
    if teacher.conditioning.guidance_in is not None:
        assert student.conditioning.guidance_in is not None
        student.conditioning.guidance_in.load_state_dict(teacher.conditioning.guidance_in.state_dict())
    return student


def loss_of(teacher: Student, variant: Variant) -> StudentLoss:
    """The loss of one batch: squared errors to v - (t - r) du/dt, without gradient through the target.

    v is the teacher's velocity at x_t, both as the target's and as the tangent of du/dt. The prediction that learns is
    a second, ordinary call: so the graph of the derivative is never kept.
    """

    def loss(student: nn.Module, batch: FlowBatch, generator: torch.Generator) -> LossValues:
        latents, cond, _ = batch
        t, r = (value.to(latents.device) for value in variant.times(len(latents), generator))
        guidance = uniform(len(latents), *variant.guidance_range, generator).to(latents.device)
        noisy = noised(latents, noise_like(latents, generator), t)
        with torch.no_grad():
            v = teacher(noisy, t, cond, guidance=guidance).float()
        bare = getattr(student, "module", student)  # without what accelerate wraps around it on several devices
        _, derivative = derivative_along(bare, noisy, t, v, cond, r=r, guidance=guidance)
        target = mean_velocity_target(v, derivative, t - r)
        squared = (student(noisy, t, cond, r=r, guidance=guidance).float() - target).square()
        logged = {"squared_error": squared.detach().mean(), "derivative_rms": derivative.square().mean().sqrt()}
        return LossValues({"student": variant.reduce(squared)}, logged)

    return loss


def read_teacher(folder: Path, family: Family, transformer: nn.Module) -> tuple[Student, str]:
    """The CFG-distilled student in a rung's folder, and the sha256 of its weights.

    `transformer` says the architecture and is left alone.

    Raises:
        RungError: see `read_student`.
    """
    teacher = read_student(folder, family, transformer, kinds=(TEACHER_KIND,))
    card = read_card(folder, kinds=(TEACHER_KIND,), family=family.name)
    return teacher, card.weights_sha256


def train_mean_flow(
    variant: Variant,
    teacher: Student,
    parent: str,
    trained: Trained,
    batches: Batches,
    loop: LoopConfig,
    folder: Path,
    report: Report | None,
    dtype: torch.dtype,
) -> Rung:
    """Train a student from `teacher` and write it to `folder`; `trained.module` is that student.

    Raises:
        TrainingError: `loop` asks for another precision than float32, the student does not begin as the teacher, or
            see `train`.
    """
    if loop.precision != "float32":
        raise TrainingError(f"precision is {loop.precision}; the derivative of MeanFlow needs float32")
    student = trained.module
    assert isinstance(student, Student)
    teacher.to(device_of(loop)).eval().requires_grad_(False)
    student.to(device_of(loop))
    _check_start(student, teacher, variant.guidance_range, batches, loop)
    loss = loss_of(teacher, variant)
    distillation = Distillation(variant.kind, student, parent, variant.guidance_range, loss, trained, variant.settings)
    return distill(distillation, batches, loop, folder, report, dtype)


@torch.no_grad()
def _check_start(
    student: Student, teacher: Student, guidance_range: tuple[float, float], batches: Batches, loop: LoopConfig
) -> None:
    (latents, cond, _), generator = first_batch(batches, loop)
    t = uniform(len(latents), 0.0, 1.0, generator).to(latents.device)
    guidance = uniform(len(latents), *guidance_range, generator).to(latents.device)
    noisy = noised(latents, noise_like(latents, generator), t)
    expected = teacher(noisy, t, cond, guidance=guidance)
    check_start(student(noisy, t, cond, r=t, guidance=guidance), expected, "MeanFlow at r = t")
    if student.config.second_time == "sum":
        check_start(student(noisy, t, cond, r=t / 2, guidance=guidance), expected, "MeanFlow at r = t / 2")
