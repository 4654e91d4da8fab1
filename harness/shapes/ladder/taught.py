"""What the embedded Wan model says of noisy clips: what the ladder's teacher learns from.

Both models share one latent space, and a trained model's velocity is the mean of `noise - x_0` over all that could have
made `x_t`. A student of that mean sees none of the noise in the target, and needs a fraction of the steps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5EncoderModel

from harness.shapes.flow_matching import Examples, noisy_examples
from harness.shapes.ladder.latents import ClipLatents
from harness.shapes.train_denoiser import tokenize

EMBEDDED_MODEL = Path(__file__).parents[1] / "model"

CHUNK = 16_000
"""Examples of a file."""

_BATCH = 64


class EmbeddedModel:
    """The shipped transformer and its text encoder, in float32."""

    def __init__(self, folder: Path = EMBEDDED_MODEL) -> None:
        self._tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
        self._text_encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
        self._transformer = WanTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32)
        self._transformer.eval()

    @torch.no_grad()
    def velocity(self, noisy: Tensor, sigma: Tensor, captions: Sequence[str]) -> Tensor:
        """Of latents of mean 0 and spread 1; an empty caption is no condition."""
        token_ids, token_mask = tokenize(self._tokenizer, list(captions))
        states = self._text_encoder(token_ids, token_mask).last_hidden_state * token_mask[..., None]
        said: Tensor = self._transformer(noisy, 1000 * sigma, states, return_dict=False)[0]
        return said


def taught_examples(clips: ClipLatents, count: int, seed: int, caption_dropout: float, shift: float) -> Examples:
    """`count` noisy clips with the embedded model's velocities, kept in float16."""
    model, generator = EmbeddedModel(), torch.Generator().manual_seed(seed)
    parts: list[Examples] = []
    for start in range(0, count, _BATCH):
        latents, captions = clips.draw(min(_BATCH, count - start), generator)
        drawn = noisy_examples(latents, captions, caption_dropout, shift, generator)
        said = model.velocity(drawn.noisy, drawn.sigma, drawn.captions)
        parts.append(Examples(drawn.noisy.half(), drawn.sigma, said.half(), drawn.captions))
    return _joined(parts)


def remembered_examples(
    folder: Path, clips: ClipLatents, count: int, seed: int, caption_dropout: float, shift: float
) -> Examples:
    """`count` examples in files of at most `CHUNK`, each of its own seed from `seed` on; what `folder` has is read.

    A teacher remembers what it sees often: of 16 000 examples seen five times each, its error at the highest noise was
    half of that on new ones. So there should be many.

    Raises:
        ValueError: a file there was made with other arguments.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = []
    for index, start in enumerate(range(0, count, CHUNK)):
        path = folder / f"{index:04d}.safetensors"
        chunks.append(_remembered(path, clips, min(CHUNK, count - start), seed + index, caption_dropout, shift))
    return _joined(chunks)


def _remembered(
    path: Path, clips: ClipLatents, count: int, seed: int, caption_dropout: float, shift: float
) -> Examples:
    wanted = {"count": str(count), "seed": str(seed), "caption_dropout": str(caption_dropout), "shift": str(shift)}
    if not path.exists():
        made = taught_examples(clips, count, seed, caption_dropout, shift)
        tensors = {"noisy": made.noisy, "sigma": made.sigma, "velocity": made.velocity}
        unfinished = path.with_suffix(".tmp")
        save_file(tensors, unfinished, {**wanted, "captions": "\n".join(made.captions)})
        os.replace(unfinished, path)
        return made
    with safe_open(path, framework="pt") as file:
        found = file.metadata()
        apart = [f"{key} {found.get(key)}, not {want}" for key, want in wanted.items() if found.get(key) != want]
        if apart:
            raise ValueError(f"{path} holds examples of {', '.join(apart)}; delete it or use another folder")
        captions = tuple(found["captions"].split("\n"))
        return Examples(file.get_tensor("noisy"), file.get_tensor("sigma"), file.get_tensor("velocity"), captions)


def _joined(parts: Sequence[Examples]) -> Examples:
    return Examples(
        torch.cat([part.noisy for part in parts]).contiguous(),
        torch.cat([part.sigma for part in parts]),
        torch.cat([part.velocity for part in parts]).contiguous(),
        tuple(caption for part in parts for caption in part.captions),
    )
