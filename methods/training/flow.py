"""Flow matching as the families use it: x_t = (1 - t) x0 + t noise, velocity noise - x0, t in [0, 1].

All randomness comes from a CPU generator, so that a training draws the same numbers on any device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

FlowBatch = tuple[Tensor, Mapping[str, Any], Mapping[str, Any]]
"""Clean latents `(batch, channels, frames, height, width)`; the transformer's other arguments with and without the
condition, e.g. the prompt's and the negative prompt's embeddings. All channels that the transformer takes are noised,
so families that append a given image to the latents cannot be trained."""


def uniform(batch: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """`batch` numbers from U(low, high), in float32, on the CPU."""
    return low + (high - low) * torch.rand(batch, generator=generator)


def noise_like(latents: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise of the shape and on the device of `latents`, in float32."""
    return torch.randn(latents.shape, generator=generator).to(latents.device)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """`values` `(batch,)` with as many dimensions as `like`, so that they multiply whole samples."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def noised(latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t for times `t` of shape `(batch,)`."""
    level = per_sample(t, latents)
    return (1 - level) * latents + level * noise
