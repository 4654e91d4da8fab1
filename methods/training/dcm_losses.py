"""The losses of DCM's two experts: consistency along the teacher's steps, and what each expert has beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.students.student import velocity
from methods.training.dcm_teacher import DcmTeacher
from methods.training.discriminator import discriminator_loss, predictor_adversarial_loss, tapped
from methods.training.flow import FlowBatch, noise_like, noised, per_sample
from methods.training.loop import LossValues
from methods.training.teacher_steps import Phases, TeacherSteps, moved

if TYPE_CHECKING:
    from methods.training.dcm import DcmTraining

SEMANTIC, DETAIL, DISCRIMINATOR = "semantic", "detail", "discriminator"
"""Names of the networks that learn, in losses and checkpoints."""


@dataclass(frozen=True, slots=True)
class Consistent:
    """Where a student says a phase ends, from a point of it and from one teacher's step further on.

    `predicted` and `target`, without gradient, are latents at the noise level `ends[boundary]`.
    """

    predicted: Tensor
    target: Tensor
    boundary: Tensor


def consistent(
    student: nn.Module,
    target_student: nn.Module,
    teacher: DcmTeacher,
    steps: TeacherSteps,
    phases: Phases,
    batch: FlowBatch,
    generator: torch.Generator,
) -> Consistent:
    """Ask student and target at random steps of `phases`.

    At a phase's last step the target is where the teacher's step arrives, whatever the target's student says.
    """
    latents, cond, uncond = batch
    index = phases.draw(len(latents), generator)
    boundary = phases.boundary(index)
    begin, end, arrival = (
        level.to(latents.device) for level in (steps.begins[index], steps.ends[index], steps.ends[boundary])
    )
    noisy = noised(latents, noise_like(latents, generator), begin)
    told = teacher.told(cond, len(latents))
    predicted = moved(noisy, velocity(student, noisy, begin, told).float(), begin, arrival)
    with torch.no_grad():
        further = moved(noisy, teacher.velocity(noisy, begin, cond, uncond).float(), begin, end)
        target = moved(further, velocity(target_student, further, end, told).float(), end, arrival)
    return Consistent(predicted, target, boundary)


def pseudo_huber(predicted: Tensor, target: Tensor, c: float) -> Tensor:
    """Mean of sqrt(d^2 + c^2) - c over the differences d."""
    return ((predicted - target).square() + c**2).sqrt().sub(c).mean()


def coherence(predicted: Tensor, target: Tensor, apart_frames: int) -> Tensor:
    """Mean squared error of differences between frames so far apart, of latents `(batch, channels, frames, ...)`.

    Raises:
        ValueError: there are too few frames.
    """
    if predicted.shape[2] <= apart_frames:
        raise ValueError(
            f"coherence_frames is {apart_frames} but latents have {predicted.shape[2]} frames; give fewer, or "
            "coherence_weight 0"
        )
    said, wanted = (latents[:, :, apart_frames:] - latents[:, :, :-apart_frames] for latents in (predicted, target))
    return functional.mse_loss(said, wanted)


class SemanticLosses:
    """The loss of an iteration of the first stage; see `methods.training.loop.Losses`."""

    def __init__(self, teacher: DcmTeacher, config: DcmTraining) -> None:
        """See `DcmTraining`."""
        self._teacher, self._config = teacher, config

    def __call__(
        self, modules: Mapping[str, nn.Module], batch: FlowBatch, generator: torch.Generator, iteration: int
    ) -> LossValues:
        """See the class."""
        config, student = self._config, modules[SEMANTIC]
        target_student = modules.get(f"{SEMANTIC}.average", student)
        found = consistent(
            student, target_student, self._teacher, config.steps, config.semantic_range, batch, generator
        )
        loss = huber = pseudo_huber(found.predicted, found.target, config.huber_c)
        logged = {"consistency": huber.detach()}
        if config.coherence_weight:
            between = coherence(found.predicted, found.target, config.coherence_frames)
            loss, logged = loss + config.coherence_weight * between, logged | {"coherence": between.detach()}
        return LossValues({SEMANTIC: loss}, logged)


class DetailLosses:
    """The losses of an iteration of the second stage; see `methods.training.loop.Losses`."""

    def __init__(self, teacher: DcmTeacher, config: DcmTraining, tapped_blocks: Sequence[nn.Module]) -> None:
        """What the teacher's `tapped_blocks` return is what is judged and matched."""
        self._teacher, self._config, self._blocks = teacher, config, tapped_blocks

    def __call__(
        self, modules: Mapping[str, nn.Module], batch: FlowBatch, generator: torch.Generator, iteration: int
    ) -> LossValues:
        """See the class."""
        config, student, judge = self._config, modules[DETAIL], modules[DISCRIMINATOR]
        found = consistent(student, student, self._teacher, config.steps, config.detail_range, batch, generator)
        huber = pseudo_huber(found.predicted, found.target, config.huber_c)
        level, renoise = self._renoising(found, generator)
        fake = self._features(renoise(found.predicted), level, batch[1])
        with torch.no_grad():
            real = self._features(renoise(found.target), level, batch[1])
        matched = torch.stack([functional.mse_loss(one, other) for one, other in zip(fake, real, strict=True)]).mean()
        adversarial = predictor_adversarial_loss(judge(fake))
        judged = discriminator_loss(judge(real), judge([layer.detach() for layer in fake]), "corrected")
        added = config.hinge_weight * adversarial + config.matching_weight * matched
        logged = {"consistency": huber, "adversarial": adversarial, "matching": matched}
        return LossValues(
            {DETAIL: huber + config.adversarial_weight * added, DISCRIMINATOR: judged},
            {name: value.detach() for name, value in logged.items()},
        )

    def _renoising(self, found: Consistent, generator: torch.Generator) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Random levels `(batch,)`, and what takes latents there from where their phase ends, always by one noise."""
        steps, detail = self._config.steps, self._config.detail_range
        further = torch.randint(detail.last - detail.first, found.boundary.shape, generator=generator)
        device = found.predicted.device
        noisier = (found.boundary + further).clamp_max(detail.last)
        before, after = (steps.ends[index].to(device) for index in (found.boundary, noisier))
        kept, added = ((1 - after) / (1 - before), (after - before) / (1 - before))
        noise = per_sample(added, found.predicted) * noise_like(found.predicted, generator)
        return after, lambda latents: per_sample(kept, latents) * latents + noise

    def _features(self, latents: Tensor, t: Tensor, cond: Mapping[str, Any]) -> list[Tensor]:
        """Of the teacher's blocks, normalised for each token: layers differ in scale by orders of magnitude."""
        with tapped(self._blocks) as features:
            velocity(self._teacher.transformer, latents, t, self._teacher.told(cond, len(latents)))
        return [functional.layer_norm(layer.float(), layer.shape[-1:]) for layer in features]
