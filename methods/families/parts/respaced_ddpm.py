"""DDPM on some of the timesteps it was trained on, with the variance that the model learned."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, repeat
from typing import Any

import diffusers
import torch
from diffusers.configuration_utils import register_to_config

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers


def space_timesteps(num_train_timesteps: int, num_inference_steps: int) -> list[int]:
    """Which timesteps are visited, ascending: evenly spaced from the first to the last, rounded half to even.

    As `space_timesteps(num_train_timesteps, "<num_inference_steps>")` of facebookresearch/DiT@29e4fa6,
    diffusion/respace.py, has it; strides are added up in double precision, as there. A single step visits timestep 0.

    Raises:
        ValueError: there are fewer timesteps than steps.
    """
    if not 1 <= num_inference_steps <= num_train_timesteps:
        raise ValueError(f"num_inference_steps is {num_inference_steps}; give 1 to {num_train_timesteps}")
    stride = (num_train_timesteps - 1) / max(num_inference_steps - 1, 1)
    return [round(position) for position in accumulate(repeat(stride, num_inference_steps - 1), initial=0.0)]


class RespacedDDPMScheduler(_diffusers.DDPMScheduler):  # type: ignore[misc]  # diffusers is not followed
    """Ancestral sampling of a model that predicts noise and, in as many more channels, its variance within a range.

    Source: Nichol and Dhariwal, arXiv 2102.09672: equation 15 (log variance between those of the posterior and of
    beta) and section 4 (betas of the shortened chain, 1 - alpha_bar_t / alpha_bar_before); repository
    facebookresearch/DiT@29e4fa6, diffusion/. On top of diffusers' `DDPMScheduler` it spaces timesteps as there, and it
    holds its tables in float64, because float32 rounds the first betas of the chain. Predictions are not clipped.
    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers is not followed
    def __init__(self, num_train_timesteps: int = 1000, beta_start: float = 0.0001, beta_end: float = 0.02) -> None:
        """Betas are linear between two values."""
        super().__init__(
            num_train_timesteps=num_train_timesteps,
            beta_start=beta_start,
            beta_end=beta_end,
            variance_type="learned_range",
            clip_sample=False,
        )
        self.betas = torch.linspace(beta_start, beta_end, num_train_timesteps, dtype=torch.float64)
        self.alphas = 1.0 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, dim=0)

    @classmethod
    def like(cls, config: Mapping[str, Any]) -> RespacedDDPMScheduler:
        """For a model with this scheduler's configuration.

        Raises:
            ValueError: the model was trained with other than linear betas, or to predict other than noise.
        """
        for name, expected in (("beta_schedule", "linear"), ("prediction_type", "epsilon")):
            if config.get(name, expected) != expected:
                raise ValueError(
                    f"{name} is {config[name]!r} in the model's scheduler; DiT's sampler needs {expected!r}"
                )
        made: RespacedDDPMScheduler = cls(config["num_train_timesteps"], config["beta_start"], config["beta_end"])
        return made

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Visit `space_timesteps`, last to first. They stay on the CPU, so that `step` need not wait for `device`."""
        visited = space_timesteps(self.config.num_train_timesteps, num_inference_steps)
        super().set_timesteps(timesteps=visited[::-1])
        self.num_inference_steps = num_inference_steps
