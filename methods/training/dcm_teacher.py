"""What DCM's experts are distilled from: a frozen model asked for guided velocities, however it takes guidance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import Conditions, native_guidance
from methods.students.rung import RungError, read_card, state_digest
from methods.students.student import Student, read_student, velocity
from methods.training.cfg_distillation import KIND as CFG_DISTILLED
from methods.training.cfg_distillation import guided


@dataclass(frozen=True, slots=True)
class DcmTeacher:
    """A frozen transformer, the scale `guidance_scale`, and how that reaches it.

    `embedded`: as its argument `guidance`. `two_calls`: by a second call without the condition. Neither: it is in the
    weights, or the scale is 1. `parent` is its digest; see `Rung.parent`.
    """

    transformer: nn.Module
    guidance_scale: float
    parent: str
    embedded: bool
    two_calls: bool

    def velocity(self, latents: Tensor, t: Tensor, cond: Mapping[str, Any], uncond: Mapping[str, Any]) -> Tensor:
        """The guided velocity at times `t` `(batch,)` in [0, 1]."""
        conditional = velocity(self.transformer, latents, t, self.told(cond, len(latents)))
        if not self.two_calls:
            return conditional
        unconditional = velocity(self.transformer, latents, t, self.told(uncond, len(latents)))
        return guided(conditional, unconditional, torch.full_like(t, self.guidance_scale))

    def told(self, arguments: Mapping[str, Any], batch: int) -> Mapping[str, Any]:
        """The transformer's arguments, the guidance scale among them where it embeds one; also the students'."""
        if not self.embedded:
            return arguments
        device = next(self.transformer.parameters()).device
        return {**arguments, "guidance": native_guidance(torch.full((1,), self.guidance_scale, device=device), batch)}


def dcm_teacher(
    family: Family, transformer: nn.Module, rung: Path | None, guidance_scale: float, device: torch.device
) -> DcmTeacher:
    """`transformer` itself, or the `cfg_distilled` rung in a folder, whose architecture it then says; frozen.

    A transformer that embeds a guidance scale is told it, any other one is called twice. A rung's embedder becomes a
    constant in the weights, so that its students are plain transformers.

    Raises:
        RungError: see `read_student`; or the rung was trained for other scales.
    """
    if rung is None:
        parent = state_digest(transformer.state_dict())
        frozen = transformer.to(device).eval().requires_grad_(False)
        embedded = family.guidance_embedder(transformer) is not None
        return DcmTeacher(frozen, guidance_scale, parent, embedded, not embedded and guidance_scale != 1)
    student = read_student(rung, family, transformer, kinds=(CFG_DISTILLED,))
    card = read_card(rung, kinds=(CFG_DISTILLED,), family=family.name)
    low, high = card.config["guidance_range"]
    if not low <= guidance_scale <= high:
        raise RungError(f"teacher_guidance_scale is {guidance_scale}; {rung} was trained for {low} to {high}")
    frozen = with_constant_guidance(student, guidance_scale).to(device).eval().requires_grad_(False)
    return DcmTeacher(frozen, guidance_scale, card.weights_sha256, student.config.guidance == "native", False)


@torch.no_grad()
def with_constant_guidance(student: Student, guidance_scale: float) -> nn.Module:
    """A student's transformer, changed to say by itself what the student says at one scale.

    One that embeds the scale itself is left as it is.
    """
    transformer = student.transformer
    if student.config.guidance == "added":
        linear: Any = student.family.time_embedding(transformer).get_submodule("linear_2")
        nothing = torch.zeros(1, linear.out_features, device=linear.weight.device)
        told = Conditions(guidance=torch.full((1,), guidance_scale, device=linear.weight.device))
        # The embedding is added to what this layer returns, and does not depend on anything else.
        linear.bias += student.conditioning(nothing, told)[0].to(linear.bias.dtype)
    return transformer
