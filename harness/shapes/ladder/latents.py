"""Clips of the world as latents, rendered and encoded once for all trainings of the ladder."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.train_autoencoder import clip_batch

_BATCH = 256


class ClipLatents:
    """Clean latents and their captions, drawn from with replacement."""

    def __init__(self, latents: Tensor, captions: list[str]) -> None:
        """`latents` is `(count, channels, frames, height, width)` in any floating-point type."""
        self.latents = latents
        self.captions = captions

    def draw(self, batch_size: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """A batch of latents in float32, and their captions."""
        chosen = torch.randint(len(self.captions), (batch_size,), generator=generator)
        return self.latents[chosen].float(), [self.captions[index] for index in chosen.tolist()]


@torch.no_grad()
def encode_clips(autoencoder: PatchAutoencoder, count: int, seed: int) -> ClipLatents:
    """`count` fresh clips of the scenes that training may see, latents kept in float16."""
    generator = torch.Generator().manual_seed(seed)
    latents, captions = [], []
    for start in range(0, count, _BATCH):
        clips, said = clip_batch(min(_BATCH, count - start), generator)
        latents.append(autoencoder.encode(clips).latent_dist.mode().half())
        captions += said
    return ClipLatents(torch.cat(latents).contiguous(), captions)


def remembered_clips(path: Path, autoencoder: PatchAutoencoder, count: int, seed: int) -> ClipLatents:
    """What `encode_clips` gives, read from `path` where it has been written there.

    Raises:
        ValueError: `path` holds another number of clips or another seed's.
    """
    wanted = {"count": str(count), "seed": str(seed)}
    if not path.exists():
        made = encode_clips(autoencoder, count, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        save_file({"latents": made.latents}, unfinished, {**wanted, "captions": "\n".join(made.captions)})
        os.replace(unfinished, path)
        return made
    with safe_open(path, framework="pt") as file:
        found = file.metadata()
        if any(found.get(key) != value for key, value in wanted.items()):
            raise ValueError(
                f"{path} holds {found.get('count')} clips of seed {found.get('seed')}, not {count} of seed {seed};"
                " delete it or use another folder"
            )
        return ClipLatents(file.get_tensor("latents"), found["captions"].split("\n"))
