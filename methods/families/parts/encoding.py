"""Clips as latents, by a pipeline's autoencoder."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def likeliest_latents(pipeline: Any, video: Tensor) -> Tensor:
    """The mode of what the autoencoder says of a video `(1, 3, frames, height, width)` in [-1, 1], not normalised.

    Raises:
        ValueError: the autoencoder would leave frames or pixels out.
    """
    time, space = pipeline.vae_scale_factor_temporal, pipeline.vae_scale_factor_spatial
    frames, height, width = video.shape[2:]
    if (frames - 1) % time or height % space or width % space:
        raise ValueError(
            f"clips are of {frames} frames, {width}x{height} pixels; this autoencoder takes 1 + a multiple of {time} "
            f"frames and sides that are multiples of {space}"
        )
    latents: Tensor = pipeline.vae.encode(video.to(pipeline.vae.device, pipeline.vae.dtype)).latent_dist.mode()
    return latents
