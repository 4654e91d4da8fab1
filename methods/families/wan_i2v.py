"""Wan 2.1 image-to-video (diffusers `WanImageToVideoPipeline`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import diffusers
import torch
import transformers
from torch import nn

from methods.base import Sampling
from methods.families.base import TransformerCall
from methods.families.parts.tiny import tiny_tokenizer, tiny_umt5_encoder
from methods.families.parts.wan import TEXT_TOKENS, WanFamily, tiny_autoencoder, tiny_transformer

# Neither library is typed throughout; as Any, the gaps of neither surface here.
_diffusers: Any = diffusers
_transformers: Any = transformers

_IMAGE_TOKENS = 257
"""What CLIP's ViT-H/14 makes of a 224 x 224 image: 16 x 16 patches and the class token."""
_TINY_IMAGE_WIDTH = 16


class WanI2V(WanFamily):
    """Wan 2.1 I2V, 14B at 480P and 720P; see `WanFamily`.

    The first frame enters twice: encoded by the autoencoder beside the noise (16 noise, 4 mask and 16 image channels),
    and as 257 CLIP tokens before the text in cross-attention. The attention tells text from image by counting 512
    tokens from the end, so no other `max_sequence_length` works. 40 steps are the default of upstream's `generate.py`
    for this task (Wan-Video/Wan2.1@1fea12c), which also shifts by 3 at 480P and by 5 at 720P; the hub's models hold
    their own shift.
    """

    name: ClassVar[str] = "wan_i2v"
    pipeline_class: ClassVar[str] = "WanImageToVideoPipeline"
    needs_image: ClassVar[bool] = True
    untrainable: ClassVar[str | None] = "its latents hold the given image, which the trainings would noise too"
    float32_components: ClassVar[tuple[str, ...]] = ("vae", "image_encoder")
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=40, guidance_scale=5.0, height=480, width=832, num_frames=81
    )

    def tiny(self, seed: int, like: str | None = None) -> Any:
        """See `Family.tiny`: 4 blocks of width 24, an autoencoder of stride 4 x 8 x 8, images as 257 tokens."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = tiny_transformer(
                self.architectures()[like]["transformer"]["num_layers"] if like else 4,
                in_channels=12,
                image_dim=_TINY_IMAGE_WIDTH,
                added_kv_proj_dim=24,
            )
            vae = tiny_autoencoder()
            text_encoder = tiny_umt5_encoder(width=16)
            image_encoder = _transformers.CLIPVisionModel(
                _transformers.CLIPVisionConfig(
                    hidden_size=_TINY_IMAGE_WIDTH,
                    intermediate_size=32,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    image_size=32,
                    patch_size=2,
                )
            )
        pipeline = _diffusers.WanImageToVideoPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=text_encoder,
            vae=vae,
            scheduler=_diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            image_processor=_transformers.CLIPImageProcessor(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ),
            image_encoder=image_encoder.eval(),
            transformer=transformer,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 2 x 2 x 2 tokens."""
        return Sampling(num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=5)

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`.

        Raises:
            ValueError: there is no image, or `max_sequence_length` is not what the attention counts on.
        """
        if image is None:
            raise ValueError(f"image is missing; {self.name} begins a video with a given one")
        if sampling.max_sequence_length not in (None, TEXT_TOKENS):
            raise ValueError(
                f"max_sequence_length is {sampling.max_sequence_length}; WanImageToVideoPipeline takes only "
                f"{TEXT_TOKENS}, so leave it out"
            )
        return super().call_arguments(prompt, sampling) | {"image": image}

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: as for text-to-video, and the 257 tokens of CLIP's ViT-H/14."""
        config: Any = transformer.config
        arguments = self.empty_arguments(transformer, sampling)
        arguments |= {
            "encoder_hidden_states_image": arguments["hidden_states"].new_empty(1, _IMAGE_TOKENS, config.image_dim),
            "attention_kwargs": None,
        }
        return [TransformerCall(branch, arguments) for branch in self.branches(sampling)]
