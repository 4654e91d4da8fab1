"""The total derivative of a student along its trajectory, by forward-mode differentiation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from methods.training.loop import TrainingError

# Not typed in torch; as Any, that does not surface here.
_dual: Any = forward_ad


def derivative_along(
    student: nn.Module,
    latents: Tensor,
    t: Tensor,
    tangent: Tensor,
    arguments: Mapping[str, Any],
    *,
    r: Tensor,
    guidance: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """u(z, r, t) and du/dt = tangent . du/dz + 1 . du/dt + 0 . du/dr, both without gradient.

    This is the Jacobian-vector product with the tangent (v, 0, 1) of (z, r, t) in MeanFlow's identity (arXiv
    2505.13447, section 4.1); times are in [0, 1] and are scaled within what is differentiated. Attention runs by the
    plain mathematical kernel, since fused ones have no forward mode, and everything in float32: a difference of nearby
    velocities has no digits to spare.

    Raises:
        TrainingError: the student's weights are not in float32, it would checkpoint activations, or its output does
            not depend on the inputs in a way that is differentiable.
    """
    _check(student)
    autocast_off = torch.autocast(latents.device.type, enabled=False)
    with torch.no_grad(), autocast_off, sdpa_kernel(SDPBackend.MATH), _dual.dual_level():
        moving = _dual.make_dual(latents.float(), tangent.float())
        time = _dual.make_dual(t, torch.ones_like(t))
        primal, derivative = _dual.unpack_dual(student(moving, time, arguments, r=r, guidance=guidance))
        if derivative is None:
            raise TrainingError("the student's output has no forward-mode derivative; is it detached somewhere inside?")
        return primal.clone(), derivative.clone()


def _check(student: nn.Module) -> None:
    for name, parameter in student.named_parameters():
        if parameter.dtype != torch.float32:
            raise TrainingError(f"{name} is in {parameter.dtype}; the derivative needs a student in float32")
    for name, module in student.named_modules():
        if getattr(module, "gradient_checkpointing", False):
            raise TrainingError(f"{name or 'the student'} has gradient_checkpointing on; turn it off")
