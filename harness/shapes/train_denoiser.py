"""Train the embedded model's text encoder and `WanTransformer3DModel` together by flow matching.

`x_t = (1 - sigma) x_0 + sigma noise`; the transformer sees `1000 sigma` and predicts `noise - x_0`, as Wan does.
One caption in eight is replaced by the empty one, so that classifier-free guidance works.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.checkpoints import load_checkpoint, save_checkpoint
from harness.shapes.optimizer import MuonWithAdamW, split_parameters
from harness.shapes.text import MAX_SEQUENCE_LENGTH, build_text_encoder, build_tokenizer
from harness.shapes.train_autoencoder import clip_batch


@dataclass(frozen=True)
class DenoiserTraining:
    """Hyper-parameters. The learning rate is constant, then falls linearly over the last `cooldown` of the steps."""

    steps: int = 5100
    batch_size: int = 48
    learning_rate: float = 1.5e-3
    cooldown: float = 0.3
    weight_decay: float = 0.01
    ema_decay: float = 0.995
    caption_dropout: float = 0.125
    training_shift: float = 2.0
    seed: int = 0
    checkpoint_every: int = 250


class Denoiser(nn.Module):
    """The two trained parts under one roof, so that one optimiser and one average serve both."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, z_dim: int) -> None:
        super().__init__()
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

    def forward(self, latents: Tensor, sigma: Tensor, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        """Predicted velocity, shaped like `latents`. Padded text is zero, as `WanPipeline` makes it."""
        text = self.text_encoder(token_ids, token_mask).last_hidden_state * token_mask[..., None]
        velocity: Tensor = self.transformer(latents, 1000 * sigma, text, return_dict=False)[0]
        return velocity


def tokenize(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, `(batch, MAX_SEQUENCE_LENGTH)`, padded as the pipeline pads."""
    encoded = tokenizer(captions, padding="max_length", max_length=MAX_SEQUENCE_LENGTH, return_tensors="pt")
    return encoded.input_ids, encoded.attention_mask


def sample_sigma(batch_size: int, shift: float, generator: torch.Generator) -> Tensor:
    """Noise levels: mostly logit-normal, one in ten uniform, shifted towards noise as in sampling."""
    level = torch.randn(batch_size, generator=generator).sigmoid()
    uniform = torch.rand(batch_size, generator=generator)
    level = torch.where(torch.rand(batch_size, generator=generator) < 0.1, uniform, level)
    return shift * level / (1 + (shift - 1) * level)


def train_denoiser(config: DenoiserTraining, autoencoder: PatchAutoencoder, work: Path) -> Denoiser:
    """Train, or continue from `work`; returns the averaged weights."""
    torch.manual_seed(config.seed)
    tokenizer = build_tokenizer()
    denoiser = Denoiser(tokenizer, autoencoder.config.z_dim)
    averaged = copy.deepcopy(denoiser)
    average = averaged.state_dict()
    matrices, others = split_parameters(denoiser, denoiser.transformer.blocks)
    optimizer = MuonWithAdamW(matrices, others, config.learning_rate, config.weight_decay)
    done, spent_s = load_checkpoint(work, denoiser, optimizer, average)
    averaged.load_state_dict(average)
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + done + 7)
    mean = torch.tensor(autoencoder.config.latents_mean)[None, :, None, None, None]
    std = torch.tensor(autoencoder.config.latents_std)[None, :, None, None, None]
    started = time.monotonic() - spent_s
    # Over 48 tokens the fused CPU attention is several times slower backwards than plain matrix products.
    denoiser.transformer.set_attention_backend("_native_math")
    denoiser.transformer.compile()
    recent: list[float] = []
    with (work / "log.tsv").open("a", encoding="utf-8") as log:
        while done < config.steps:
            remaining = 1 - done / config.steps
            rate = min(1.0, (done + 1) / 300, remaining / config.cooldown + 0.01)
            optimizer.set_lr(config.learning_rate * rate)
            clips, captions = clip_batch(config.batch_size, generator)
            drop = torch.rand(config.batch_size, generator=generator) < config.caption_dropout
            captions = ["" if dropped else caption for caption, dropped in zip(captions, drop.tolist(), strict=True)]
            token_ids, token_mask = tokenize(tokenizer, captions)
            with torch.no_grad():
                latents = (autoencoder.encode(clips).latent_dist.mode() - mean) / std
            noise = torch.randn(latents.shape, generator=generator)
            sigma = sample_sigma(config.batch_size, config.training_shift, generator)
            level = sigma[:, None, None, None, None]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                velocity = denoiser((1 - level) * latents + level * noise, sigma, token_ids, token_mask)
            loss = (velocity.float() - (noise - latents)).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
            optimizer.step()
            done += 1
            decay = min(config.ema_decay, (1 + done) / (10 + done))
            with torch.no_grad():
                torch._foreach_lerp_(list(averaged.parameters()), list(denoiser.parameters()), 1 - decay)
            recent.append(loss.item())
            if done % config.checkpoint_every == 0 or done == config.steps:
                spent_s = time.monotonic() - started
                log.write(f"{done}\t{spent_s:.0f}\t{sum(recent) / len(recent):.5f}\n")
                log.flush()
                recent.clear()
                save_checkpoint(work, denoiser, optimizer, done, spent_s, averaged.state_dict())
    return averaged
