"""Wan 2.1 text-to-video (diffusers `WanPipeline`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import diffusers
import torch
from torch import Tensor, nn

from methods.base import Sampling
from methods.families.base import TransformerCall
from methods.families.parts.encoding import likeliest_latents
from methods.families.parts.tiny import tiny_tokenizer, tiny_umt5_encoder
from methods.families.parts.wan import TEXT_TOKENS, WanFamily, tiny_autoencoder, tiny_transformer

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers


class Wan(WanFamily):
    """Wan 2.1 T2V, 1.3B and 14B; see `WanFamily`."""

    name: ClassVar[str] = "wan"
    pipeline_class: ClassVar[str] = "WanPipeline"
    untrainable: ClassVar[str | None] = None
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50, guidance_scale=5.0, height=480, width=832, num_frames=81
    )

    def tiny(self, seed: int, like: str | None = None) -> Any:
        """See `Family.tiny`: 4 blocks of width 24, an autoencoder of stride 4 x 8 x 8, words as tokens."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = tiny_transformer(self.architectures()[like]["transformer"]["num_layers"] if like else 4)
            vae = tiny_autoencoder()
            text_encoder = tiny_umt5_encoder(width=16)
        pipeline = _diffusers.WanPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=text_encoder,
            vae=vae,
            scheduler=_diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            transformer=transformer,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 2 x 2 x 2 tokens."""
        return Sampling(
            num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=5, max_sequence_length=8
        )

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 4 x 8 x 8, text padded to `max_sequence_length` or 512."""
        arguments = self.empty_arguments(transformer, sampling)
        return [TransformerCall(branch, arguments) for branch in self.branches(sampling)]

    def clean_latents(self, pipeline: Any, video: Tensor) -> Tensor:
        """See `Family.clean_latents`: less the mean and over the spread that the autoencoder states of each channel."""
        latents, config = likeliest_latents(pipeline, video), pipeline.vae.config
        mean, spread = (latents.new_tensor(config[key])[:, None, None, None] for key in ("latents_mean", "latents_std"))
        return (latents - mean) / spread

    def prompt_arguments(self, pipeline: Any, prompt: str, sampling: Sampling) -> dict[str, Tensor]:
        """See `Family.prompt_arguments`: text padded to `max_sequence_length` or 512."""
        tokens = sampling.max_sequence_length or TEXT_TOKENS
        states, _ = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=tokens)
        return {"encoder_hidden_states": states}
