"""Classifier-free guidance distilled into one call that is told the scale."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import ConditioningConfig, hold_constant
from methods.students.rung import Rung, state_digest
from methods.students.student import Student, velocity
from methods.training.distill import Distillation, StudentLoss, check_start, distill, first_batch
from methods.training.flow import FlowBatch, noise_like, noised, per_sample, uniform
from methods.training.loop import Batches, LoopConfig, LossValues, Report, Trained, device_of

KIND = "cfg_distilled"


@dataclass(frozen=True, slots=True)
class CfgDistillation:
    """Hyper-parameters of CFG distillation.

    Source: DisCa (arXiv 2602.05449), supplementary section 8.1 and Algorithm 1: t ~ U(0, 1), g ~ U(1, 8), MSE,
    learning rate 1e-5, the student begins as the teacher, and a small MLP adds g to the condition vector. Optimiser
    (AdamW here), batch size and iterations are not published; Algorithm 1 leaves g out of the student's call.

    `teacher_guidance` is only for a transformer that embeds a guidance scale itself: the one that its batches state.
    The student's own embedder then begins as a constant, what the teacher's says for that scale.
    """

    guidance_min: float = 1.0
    guidance_max: float = 8.0
    learning_rate: float = 1e-5
    weight_decay: float = 0.0
    ema_decay: float | None = None
    teacher_guidance: float | None = None

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if not 0 < self.guidance_min <= self.guidance_max:
            raise ValueError(f"guidance is drawn from {self.guidance_min} to {self.guidance_max}; give 0 < min <= max")


def guided(conditional: Tensor, unconditional: Tensor, guidance: Tensor) -> Tensor:
    """g v_cond + (1 - g) v_uncond for scales g of shape `(batch,)`; g = 1 is no guidance."""
    scale = per_sample(guidance, conditional)
    return scale * conditional + (1 - scale) * unconditional


def new_student(family: Family, teacher: nn.Module, config: CfgDistillation) -> Student:
    """A student that takes g and for every g says what the teacher says with the condition.

    Raises:
        ValueError: the teacher embeds a scale itself and `teacher_guidance` does not say which.
    """
    if family.guidance_embedder(teacher) is None:
        return Student.beside(family, teacher, ConditioningConfig(guidance="added"))
    if config.teacher_guidance is None:
        raise ValueError("the teacher embeds a guidance scale itself; give teacher_guidance, the scale of its batches")
    student = Student.beside(family, teacher, ConditioningConfig(guidance="native"))
    embedder = family.guidance_embedder(student.transformer)
    assert embedder is not None
    hold_constant(embedder, config.teacher_guidance)
    return student


def loss_of(config: CfgDistillation, teacher: nn.Module) -> StudentLoss:
    """The loss of one batch: the mean squared error to the guided velocity of the teacher at random t and g."""

    def loss(student: nn.Module, batch: FlowBatch, generator: torch.Generator) -> LossValues:
        latents, cond, uncond = batch
        t = uniform(len(latents), 0.0, 1.0, generator).to(latents.device)
        guidance = uniform(len(latents), config.guidance_min, config.guidance_max, generator).to(latents.device)
        noisy = noised(latents, noise_like(latents, generator), t)
        with torch.no_grad():
            target = guided(velocity(teacher, noisy, t, cond), velocity(teacher, noisy, t, uncond), guidance)
        predicted = student(noisy, t, cond, guidance=guidance)
        error = nn.functional.mse_loss(predicted.float(), target.float())
        return LossValues({"student": error}, {})

    return loss


def train_cfg_distillation(
    family: Family,
    teacher: nn.Module,
    batches: Batches,
    config: CfgDistillation,
    loop: LoopConfig,
    folder: Path,
    report: Report | None = None,
    dtype: torch.dtype = torch.float32,
) -> Rung:
    """Train the rung `cfg_distilled` of a transformer and write it to `folder`, in `dtype`.

    `batches` gives a `FlowBatch`. The teacher is moved to the training's device and frozen.

    Raises:
        TrainingError: the student does not begin as the teacher, or see `train`.
    """
    parent = state_digest(teacher.state_dict())
    teacher.to(device_of(loop)).eval().requires_grad_(False)
    student = new_student(family, teacher, config)
    _check_start(student, teacher, config, batches, loop)
    trained = Trained(
        student,
        config.learning_rate,
        weight_decay=config.weight_decay,
        ema_decay=config.ema_decay,
        blocks=student.blocks,
    )
    guidance_range = (config.guidance_min, config.guidance_max)
    loss = loss_of(config, teacher)
    distillation = Distillation(KIND, student, parent, guidance_range, loss, trained, asdict(config))
    return distill(distillation, batches, loop, folder, report, dtype)


@torch.no_grad()
def _check_start(
    student: Student, teacher: nn.Module, config: CfgDistillation, batches: Batches, loop: LoopConfig
) -> None:
    (latents, cond, _), generator = first_batch(batches, loop)
    t = uniform(len(latents), 0.0, 1.0, generator).to(latents.device)
    noisy = noised(latents, noise_like(latents, generator), t)
    expected = velocity(teacher, noisy, t, cond)
    for scale in (config.guidance_min, config.guidance_max):
        told = student(noisy, t, cond, guidance=torch.full_like(t, scale))
        check_start(told, expected, f"CFG distillation at g = {scale}")
