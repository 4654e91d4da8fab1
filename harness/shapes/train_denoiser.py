"""Train the embedded model's text encoder and `WanTransformer3DModel` together by flow matching."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.flow_matching import DenoiserTraining, JointDenoiser, train_by_flow_matching
from harness.shapes.text import MAX_SEQUENCE_LENGTH, build_text_encoder, build_tokenizer
from harness.shapes.train_autoencoder import clip_batch


class Denoiser(JointDenoiser):
    """Text encoder and transformer of a `WanPipeline`."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, z_dim: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.text_encoder = build_text_encoder(len(tokenizer))
        self.transformer = WanTransformer3DModel(
            patch_size=(1, 1, 1),
            num_attention_heads=4,
            attention_head_dim=48,
            in_channels=z_dim,
            out_channels=z_dim,
            text_dim=128,
            freq_dim=128,
            ffn_dim=640,
            num_layers=12,
            rope_max_seq_len=64,
        )

    def blocks(self) -> nn.Module:
        """See `JointDenoiser.blocks`."""
        blocks: nn.Module = self.transformer.blocks
        return blocks

    def tokenize(self, captions: list[str]) -> tuple[Tensor, ...]:
        """See `JointDenoiser.tokenize`."""
        return tokenize(self.tokenizer, captions)

    def forward(self, latents: Tensor, sigma: Tensor, *text: Tensor) -> Tensor:
        """See `JointDenoiser.forward`. Padded text is zero, as `WanPipeline` makes it."""
        token_ids, token_mask = text
        states = self.text_encoder(token_ids, token_mask).last_hidden_state * token_mask[..., None]
        velocity: Tensor = self.transformer(latents, 1000 * sigma, states, return_dict=False)[0]
        return velocity


def tokenize(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, `(batch, MAX_SEQUENCE_LENGTH)`, padded as the pipeline pads."""
    encoded = tokenizer(captions, padding="max_length", max_length=MAX_SEQUENCE_LENGTH, return_tensors="pt")
    return encoded.input_ids, encoded.attention_mask


def train_denoiser(config: DenoiserTraining, autoencoder: PatchAutoencoder, work: Path) -> Denoiser:
    """Train on fresh clips, or continue from `work`; returns the averaged weights."""
    mean = torch.tensor(autoencoder.config.latents_mean)[None, :, None, None, None]
    std = torch.tensor(autoencoder.config.latents_std)[None, :, None, None, None]

    def draw(batch_size: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        clips, captions = clip_batch(batch_size, generator)
        with torch.no_grad():
            return (autoencoder.encode(clips).latent_dist.mode() - mean) / std, captions

    return train_by_flow_matching(config, lambda: Denoiser(build_tokenizer(), autoencoder.config.z_dim), draw, work)
