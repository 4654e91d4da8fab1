"""Clips and captions as a model sees them, encoded once, kept as safetensors and drawn from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harness.records import canonical_hash
from harness.training.clips import Clip, read_clip
from harness.training.config import RungTrainingError
from methods.base import Sampling
from methods.families.base import Family
from methods.training.flow import FlowBatch
from methods.training.loop import Batches

VERSION = 1
"""Raise it when clips are encoded differently."""
CLIPS_A_SHARD = 64

_LATENTS, _UNCONDITIONAL, _INPUTS = "latents", "unconditional", "inputs_hash"

Said = Callable[[int, int], None]
"""Told how many clips are encoded, and of how many."""


@dataclass(frozen=True)
class EncodedClips:
    """A folder of encoded clips: `<first clip>.safetensors` for each shard, and `unconditional.safetensors`.

    Tensors are as the model made them: latents the autoencoder's likeliest ones, the transformer's other arguments by
    name, both with the clip first. Every file says which inputs it was made from.
    """

    folder: Path
    inputs_hash: str
    count: int

    def batches(self, batch_size: int) -> Batches:
        """Draws, with replacement, a `FlowBatch` in float32."""

        def draw(generator: torch.Generator) -> FlowBatch:
            chosen = torch.randint(self.count, (batch_size,), generator=generator).tolist()
            clips = [self._clip(index) for index in chosen]
            cond = {name: torch.cat([clip[name] for clip in clips]).float() for name in clips[0]}
            uncond = self._unconditional()
            unsaid = {name: value.float().expand(batch_size, *value.shape[1:]) for name, value in uncond.items()}
            return cond.pop(_LATENTS), cond, unsaid

        return draw

    def missing(self) -> list[int]:
        """First clips of the shards that are not there yet."""
        return [first for first in range(0, self.count, CLIPS_A_SHARD) if not self._shard(first).is_file()]

    def write(self, pipeline: Any, family: Family, clips: Sequence[Clip], sampling: Sampling, said: Said) -> None:
        """Encode what is missing, on the pipeline's device; shards appear whole or not at all.

        Raises:
            RungTrainingError: a clip cannot be used, or the autoencoder takes no video of this size.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._shard(_UNCONDITIONAL).is_file():
            self._save(_UNCONDITIONAL, family.prompt_arguments(pipeline, sampling.negative_prompt, sampling))
        for first in self.missing():
            said(first, self.count)
            encoded = [_encoded(pipeline, family, clip, sampling) for clip in clips[first : first + CLIPS_A_SHARD]]
            self._save(first, {name: torch.cat([one[name] for one in encoded]) for name in encoded[0]})

    def _save(self, name: int | str, tensors: dict[str, Tensor]) -> None:
        unfinished = self.folder / f"{name}.tmp"
        plain = {name: value.cpu().contiguous() for name, value in tensors.items()}
        save_file(plain, unfinished, {_INPUTS: self.inputs_hash})
        os.replace(unfinished, self._shard(name))

    def _clip(self, index: int) -> dict[str, Tensor]:
        row = index % CLIPS_A_SHARD
        return self._read(index - row, slice(row, row + 1))

    def _unconditional(self) -> dict[str, Tensor]:
        return self._read(_UNCONDITIONAL, slice(None))

    def _read(self, name: int | str, rows: slice) -> dict[str, Tensor]:
        path = self._shard(name)
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get(_INPUTS) != self.inputs_hash:
                    raise RungTrainingError(f"{path} was made from other clips or by another model; remove its folder")
                return {key: file.get_slice(key)[rows] for key in sorted(file.keys())}
        except (OSError, SafetensorError) as error:
            raise RungTrainingError(f"{path} cannot be read ({error}); remove it and train again") from error

    def _shard(self, name: int | str) -> Path:
        return self.folder / (f"{name:08d}.safetensors" if isinstance(name, int) else f"{name}.safetensors")


def inputs_hash(clips: Sequence[Clip], sampling: Sampling, *, family: str, model: str, dtype: str) -> str:
    """Hash of all that decides what clips are encoded to; `model` is what stands for the model's content."""
    return canonical_hash(
        {
            "version": VERSION,
            "family": family,
            "model": model,
            "dtype": dtype,
            "size": [sampling.num_frames, sampling.height, sampling.width],
            "max_sequence_length": sampling.max_sequence_length,
            "negative_prompt": sampling.negative_prompt,
            "guidance_scale": sampling.guidance_scale,
            "clips": [[_file_sha256(clip.path), clip.caption] for clip in clips],
        }
    )


def _encoded(pipeline: Any, family: Family, clip: Clip, sampling: Sampling) -> dict[str, Tensor]:
    video = read_clip(clip, sampling)
    return {
        _LATENTS: family.clean_latents(pipeline, video),
        **family.prompt_arguments(pipeline, clip.caption, sampling),
    }


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
