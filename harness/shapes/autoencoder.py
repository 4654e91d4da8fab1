"""The embedded model's autoencoder: every 4x8x8 patch becomes one latent vector, and back.

`AutoencoderKLWan` was tried first and was not good enough on a CPU (see the model card); this one sees each patch
alone, so it is a handful of matrix products, learns in minutes, and offers `WanPipeline` the same interface:
`encode`, `decode`, and the configuration keys the pipeline reads (`z_dim`, `latents_mean`, `latents_std`,
`scale_factor_temporal`, `scale_factor_spatial`). Causal in time like Wan's: the first frame is a group of its own.
`HunyuanVideoPipeline` reads other names of the same (`scaling_factor`, the two compression ratios) and knows no mean:
it takes what `with_normal_latents` gives.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

CHANNELS = 3


class Residual(nn.Module):
    """Two linear layers beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape in, same shape out."""
        out: Tensor = hidden + self.down(nn.functional.gelu(self.up(self.norm(hidden))))
        return out


class PatchCoder(nn.Module):
    """A linear map plus a deeper one; training starts from the best linear map and learns what it misses."""

    def __init__(self, in_dim: int, out_dim: int, width: int, depth: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        self.proj_in = nn.Linear(in_dim, width)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(depth)))
        self.norm_out = nn.LayerNorm(width)
        self.proj_out = nn.Linear(width, out_dim)

    def forward(self, values: Tensor) -> Tensor:
        """`(..., in_dim)` to `(..., out_dim)`."""
        out: Tensor = self.linear(values) + self.proj_out(self.norm_out(self.blocks(self.proj_in(values))))
        return out


class PatchAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers is untyped
    """Video `(batch, 3, 1 + 4k, 8h, 8w)` in [-1, 1] to latents `(batch, z_dim, 1 + k, h, w)` and back."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        z_dim: int = 32,
        width: int = 384,
        encoder_depth: int = 2,
        decoder_depth: int = 3,
        scale_factor_temporal: int = 4,
        scale_factor_spatial: int = 8,
        latents_mean: tuple[float, ...] = (0.0,) * 32,
        latents_std: tuple[float, ...] = (1.0,) * 32,
        scaling_factor: float = 1.0,
    ) -> None:
        super().__init__()
        patch_dim = CHANNELS * scale_factor_temporal * scale_factor_spatial**2
        self.encoder = PatchCoder(patch_dim, z_dim, width, encoder_depth)
        self.decoder = PatchCoder(z_dim, patch_dim, width, decoder_depth)

    @property
    def temporal_compression_ratio(self) -> int:
        """Frames a latent stands for, by the name `HunyuanVideoPipeline` asks for."""
        ratio: int = self.config.scale_factor_temporal
        return ratio

    @property
    def spatial_compression_ratio(self) -> int:
        """Pixels a side that a latent stands for, by the name `HunyuanVideoPipeline` asks for."""
        ratio: int = self.config.scale_factor_spatial
        return ratio

    def enable_tiling(self) -> None:
        """Nothing to do: every patch is decoded alone already."""

    def patchify(self, video: Tensor) -> Tensor:
        """`(batch, 3, frames, height, width)` to `(batch, groups, h, w, patch_dim)`; the first frame fills a group."""
        time, space = self.config.scale_factor_temporal, self.config.scale_factor_spatial
        batch, channels, frames, height, width = video.shape
        if (frames - 1) % time or height % space or width % space:
            raise ValueError(
                f"video of {frames} frames, {height}x{width} pixels: needs 1 + a multiple of {time} frames and"
                f" sides that are multiples of {space}"
            )
        video = torch.cat([video[:, :, :1].expand(-1, -1, time - 1, -1, -1), video], dim=2)
        groups = (frames - 1) // time + 1
        grid = video.reshape(batch, channels, groups, time, height // space, space, width // space, space)
        return grid.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(batch, groups, height // space, width // space, -1)

    def unpatchify(self, patches: Tensor) -> Tensor:
        """The inverse of `patchify`; of the first group only the last frame is kept."""
        time, space = self.config.scale_factor_temporal, self.config.scale_factor_spatial
        batch, groups, rows, columns, _ = patches.shape
        grid = patches.reshape(batch, groups, rows, columns, CHANNELS, time, space, space)
        video = grid.permute(0, 4, 1, 5, 2, 6, 3, 7)
        return video.reshape(batch, CHANNELS, groups * time, rows * space, columns * space)[:, :, time - 1 :]

    def encode(self, x: Tensor, return_dict: bool = True) -> Any:
        """Latents as a distribution without spread, in the output class or tuple that diffusers' pipelines expect."""
        mean = self.encoder(self.patchify(x)).permute(0, 4, 1, 2, 3)
        posterior = DiagonalGaussianDistribution(torch.cat([mean, torch.zeros_like(mean)], dim=1), deterministic=True)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    def decode(self, z: Tensor, return_dict: bool = True) -> Any:
        """Video in [-1, 1], in the output class or tuple that diffusers' pipelines expect."""
        video = self.unpatchify(self.decoder(z.permute(0, 2, 3, 4, 1))).clamp(-1, 1)
        return DecoderOutput(sample=video) if return_dict else (video,)


@torch.no_grad()
def with_normal_latents(autoencoder: PatchAutoencoder) -> PatchAutoencoder:
    """A copy whose latents are `(z - latents_mean) / latents_std` of the given one's, by its weights alone.

    Its own `latents_mean` and `latents_std` are 0 and 1, so that pipelines which scale by one factor fit it.
    """
    folded = copy.deepcopy(autoencoder)
    mean, std = (torch.tensor(autoencoder.config[key]) for key in ("latents_mean", "latents_std"))
    for out in (folded.encoder.linear, folded.encoder.proj_out):
        out.weight.div_(std[:, None])
        out.bias.div_(std)
    folded.encoder.linear.bias.sub_(mean / std)
    for into in (folded.decoder.linear, folded.decoder.proj_in):
        into.bias.add_(into.weight @ mean)
        into.weight.mul_(std)
    folded.register_to_config(latents_mean=(0.0,) * len(mean), latents_std=(1.0,) * len(std))
    return folded
