"""Train the embedded model's autoencoder on clips of the procedural world."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.checkpoints import load_checkpoint, save_checkpoint
from harness.shapes.world import render, sample_scene


@dataclass(frozen=True)
class AutoencoderTraining:
    """Hyper-parameters. Noise on the latents makes the decoder forgive small errors of the denoiser."""

    steps: int = 2700
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    latent_noise: float = 0.25
    latent_penalty: float = 1e-4
    seed: int = 0
    checkpoint_every: int = 500


def clip_batch(batch_size: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
    """Fresh clips in [-1, 1], shape `(batch, 3, frames, height, width)`, and their captions."""
    scenes = [sample_scene(generator) for _ in range(batch_size)]
    seeds = torch.randint(2**31 - 1, (batch_size,), generator=generator).tolist()
    clips = torch.stack([render(scene, seed) for scene, seed in zip(scenes, seeds, strict=True)])
    return clips.transpose(1, 2) * 2 - 1, [scene.caption for scene in scenes]


@torch.no_grad()
def reconstruction_psnr(autoencoder: PatchAutoencoder, clips: Tensor) -> float:
    """Mean PSNR in dB over clips in [-1, 1] (a peak-to-peak of 2)."""
    decoded = autoencoder.decode(autoencoder.encode(clips).latent_dist.mode()).sample
    error = ((decoded - clips) / 2).pow(2).mean(dim=(1, 2, 3, 4)).clamp_min(1e-10)
    return float((-10 * error.log10()).mean())


@torch.no_grad()
def start_from_principal_components(autoencoder: PatchAutoencoder, clips: Tensor) -> None:
    """Make the linear parts the best linear autoencoder of these clips and silence the deeper ones."""
    patches = autoencoder.patchify(clips).flatten(0, -2)
    center = patches.mean(0)
    _, _, components = torch.linalg.svd(patches - center, full_matrices=False)
    components = components[: autoencoder.config.z_dim]
    # Scaled so that the latents' overall spread is 2.5: the noise added in training is relative to that.
    scale = 2.5 / ((patches - center) @ components.T).std()
    autoencoder.encoder.linear.weight.copy_(components * scale)
    autoencoder.encoder.linear.bias.copy_(-(components * scale) @ center)
    autoencoder.decoder.linear.weight.copy_(components.T / scale)
    autoencoder.decoder.linear.bias.copy_(center)
    for coder in (autoencoder.encoder, autoencoder.decoder):
        coder.proj_out.weight.zero_()
        coder.proj_out.bias.zero_()


def train_autoencoder(config: AutoencoderTraining, work: Path) -> PatchAutoencoder:
    """Train, or continue from `work`; returns the autoencoder with the statistics of its latents in its config."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    autoencoder: PatchAutoencoder = PatchAutoencoder()
    start_from_principal_components(autoencoder, clip_batch(512, generator)[0])
    optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0)
    done, spent_s = load_checkpoint(work, autoencoder, optimizer)
    generator.manual_seed(config.seed * 1_000_003 + done + 1)
    started = time.monotonic() - spent_s
    with (work / "log.tsv").open("a", encoding="utf-8") as log:
        while done < config.steps:
            remaining = 1 - done / config.steps
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * min(1.0, (done + 1) / 100, 2 * remaining + 0.01)
            clips, _ = clip_batch(config.batch_size, generator)
            patches = autoencoder.patchify(clips)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                latents = autoencoder.encoder(patches)
                decoded = autoencoder.decoder(latents + config.latent_noise * torch.randn_like(latents))
            error = decoded.float() - patches
            loss = (error.abs() + 4 * error.pow(2)).mean() + config.latent_penalty * latents.float().pow(2).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(autoencoder.parameters(), 1.0)
            optimizer.step()
            done += 1
            if done % config.checkpoint_every == 0 or done == config.steps:
                spent_s = time.monotonic() - started
                psnr = reconstruction_psnr(autoencoder, clips)
                log.write(f"{done}\t{spent_s:.0f}\t{loss.item():.5f}\t{psnr:.2f}\n")
                log.flush()
                save_checkpoint(work, autoencoder, optimizer, done, spent_s)
    with torch.no_grad():
        latents = autoencoder.encode(clip_batch(256, generator)[0]).latent_dist.mode()
    autoencoder.register_to_config(
        latents_mean=latents.mean(dim=(0, 2, 3, 4)).tolist(), latents_std=latents.std(dim=(0, 2, 3, 4)).tolist()
    )
    return autoencoder
