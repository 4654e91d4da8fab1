"""Stable Diffusion's image autoencoder, which Latte and DiT decode with."""

from __future__ import annotations

from typing import Any

import diffusers

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

SPATIAL_STRIDE = 8
"""Pixels a side that it makes one latent of."""


def tiny_image_autoencoder() -> Any:
    """A randomly initialised one with 4 latent channels."""
    return _diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        norm_num_groups=2,
    ).eval()
