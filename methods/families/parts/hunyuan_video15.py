"""What HunyuanVideo 1.5 text-to-video and image-to-video share: all but the image."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import diffusers
import torch
import transformers
from torch import nn

from methods.base import Branch, Sampling
from methods.families.base import CachedModule, Family, Guidance, Signal, TransformerCall
from methods.families.parts.dual_stream import STREAMS, blocks_of, cached_modules, modulated_hidden
from methods.families.parts.given_sigmas import noise_levels
from methods.families.parts.known_masks import with_known_masks
from methods.families.parts.loading import load_pipeline
from methods.families.parts.tiny import tiny_chat_tokenizer, tiny_qwen, tiny_t5_encoder

# Neither library is typed throughout; as Any, the gaps of neither surface here.
_diffusers: Any = diffusers
_transformers: Any = transformers

TEXT_TOKENS, GLYPH_TOKENS, IMAGE_TOKENS = 1000, 256, 729
"""What the pipelines pad texts and quoted texts to, and patches of the image encoder, each one token of a block."""
TINY_WIDTH = 16
"""Of the tiny encoders' states."""

_BLOCKS = "transformer_blocks"
_BRANCHES: dict[str, Branch] = {"pred_cond": "cond", "pred_uncond": "uncond"}
_BYT5_VOCABULARY_SIZE = 384
# Tokens of the system message that the pipelines cut off.
_TEMPLATE_TOKENS = 108

# A guider is made for each video, and each says once more that guiders are experimental.
logging.getLogger("diffusers.guiders.guider_utils").addFilter(lambda record: "experimental" not in record.getMessage())


class HunyuanVideo15Family(Family):
    """HunyuanVideo 1.5, 8.3B (arXiv 2511.18870), as diffusers 0.42.1 runs it.

    Guidance belongs to the pipeline's guider: above 1 it makes two calls a step, in the cache contexts `pred_cond` and
    then `pred_uncond`; at 1 or below, as for distilled models, only the first. So `scheduled` sets `guidance_scale`,
    and with it `max_sequence_length`, which is no argument of the call either: it bounds the tokens of the prompt
    (1000 without it) and of the texts quoted in it (256). The stack is 54 dual-stream blocks; their text stream holds
    image, quoted and prompt tokens. The time embedding `temb` holds nothing but time.

    The image tokens of text-to-video are computed with like any others, though masked. The refiner of the prompt's
    tokens also has attention, which is no part of the stack.
    """

    guidance: ClassVar[Guidance] = "sequential"
    signals: ClassVar[tuple[str, ...]] = ("modulated_hidden", "temb")
    block_streams: ClassVar[tuple[str, ...]] = STREAMS
    detail_modules: ClassVar[tuple[str, ...]] = ("time_embed", "norm_out", "proj_out")
    untrainable: ClassVar[str | None] = "its latents hold channels of an image, which the trainings would noise too"

    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """See `Family.load`. The autoencoder decodes in tiles, as the model's own example does.

        Raises:
            ValueError: the model is made for another pipeline, or `dtype` is no floating-point type of torch.
            OSError: there is no such model, or it is not on disk and the hub cannot be asked.
        """
        pipeline = load_pipeline(
            model,
            revision=revision,
            dtype=dtype,
            device=device,
            family=self.name,
            pipeline_class=self.pipeline_class,
        )
        pipeline.vae.enable_tiling()
        return pipeline

    def tiny(self, seed: int, like: str | None = None) -> Any:
        """See `Family.tiny`: 4 blocks of width 32, an autoencoder of stride 4 x 16 x 16.

        The projection of quoted texts is 2048 wide in the class itself. That it does not outweigh the blocks is due to
        the 729 image tokens, which are as many as in the real model.
        """
        config = self.architectures()[like]["transformer"] if like else {"num_layers": 4, "use_meanflow": False}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = _diffusers.HunyuanVideo15Transformer3DModel(
                in_channels=9,
                out_channels=4,
                num_attention_heads=2,
                attention_head_dim=16,
                num_layers=config["num_layers"],
                num_refiner_layers=1,
                text_embed_dim=TINY_WIDTH,
                text_embed_2_dim=TINY_WIDTH,
                image_embed_dim=TINY_WIDTH,
                rope_axes_dim=(4, 6, 6),
                target_size=32,
                use_meanflow=config["use_meanflow"],
            )
            vae = _diffusers.AutoencoderKLHunyuanVideo15(
                latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1
            )
            text_encoder = tiny_qwen(TINY_WIDTH)
            text_encoder_2 = tiny_t5_encoder(TINY_WIDTH, _BYT5_VOCABULARY_SIZE)
            others = self.tiny_image_components()
        pipeline = getattr(_diffusers, self.pipeline_class)(
            text_encoder=text_encoder,
            tokenizer=tiny_chat_tokenizer(leading=_TEMPLATE_TOKENS),
            transformer=transformer.eval(),
            vae=vae.eval(),
            scheduler=_diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0),
            text_encoder_2=text_encoder_2,
            tokenizer_2=_transformers.ByT5Tokenizer(),
            guider=_diffusers.ClassifierFreeGuidance(guidance_scale=6.0),
            **others,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_image_components(self) -> Mapping[str, Any]:
        """What the pipeline has beside the shared components."""
        return {}

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 2 x 2 x 2 tokens of video."""
        return Sampling(
            num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=5, max_sequence_length=8
        )

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`."""
        return {
            "prompt": prompt,
            "negative_prompt": sampling.negative_prompt,
            "num_frames": sampling.num_frames,
            "num_inference_steps": sampling.num_inference_steps,
        }

    def empty_transformer(self, architecture: Mapping[str, Any]) -> nn.Module:
        """See `Family.empty_transformer`. It runs on the meta device though the class reads the values of masks."""
        return with_known_masks(super().empty_transformer(architecture))

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 4 x 16 x 16, texts padded as `scheduled` asks for.

        All tokens count as valid. On the meta device only a transformer made by `empty_transformer` can run them.
        """
        weight = next(transformer.parameters())
        config: Any = transformer.config
        frames = (sampling.num_frames - 1) // 4 + 1
        text, glyphs = _text_tokens(sampling)
        arguments = {
            "hidden_states": weight.new_empty(
                1, config.in_channels, frames, sampling.height // 16, sampling.width // 16
            ),
            "timestep": weight.new_empty(1),
            "encoder_hidden_states": weight.new_empty(1, text, config.text_embed_dim),
            "encoder_attention_mask": weight.new_ones(1, text),
            "encoder_hidden_states_2": weight.new_empty(1, glyphs, config.text_embed_2_dim),
            "encoder_attention_mask_2": weight.new_ones(1, glyphs),
            "image_embeds": weight.new_zeros(1, IMAGE_TOKENS, config.image_embed_dim),
            "return_dict": False,
        }
        return [
            TransformerCall(name, arguments) for name, branch in _BRANCHES.items() if branch in self.branches(sampling)
        ]

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`."""
        return [(_BLOCKS, blocks_of(transformer, _BLOCKS))]

    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """See `Family.cached_modules`."""
        return [
            module
            for list_name, blocks in self.block_lists(transformer)
            for module in cached_modules(list_name, list(blocks))
        ]

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`. Nobody has published a calibration for either."""
        if kind == "modulated_hidden":
            return modulated_hidden(blocks_of(transformer, _BLOCKS)[0])
        if kind == "temb":
            return Signal(transformer.get_submodule("time_embed"), "output", lambda output: output)
        raise ValueError(f"signal is {kind!r}; {self.name} has {', '.join(self.signals)}")

    @contextmanager
    def scheduled(self, pipeline: Any, sampling: Sampling) -> Iterator[None]:
        """See `Family.scheduled`. The model's own scheduler, guider and text lengths come back on leaving.

        Raises:
            ValueError: see `noise_levels`; or the guider does not make two calls in each step.
        """
        guider = pipeline.guider
        if not isinstance(guider, _diffusers.ClassifierFreeGuidance) or (guider._start, guider._stop) != (0.0, 1.0):
            raise ValueError(
                f"guider is {type(guider).__name__}, not ClassifierFreeGuidance over all steps; a step would not be "
                "one call a branch, so set the pipeline's guider to that"
            )
        lengths = pipeline.tokenizer_max_length, pipeline.tokenizer_2_max_length
        with noise_levels(pipeline, sampling):
            try:
                pipeline.guider = guider.new(
                    guidance_scale=sampling.guidance_scale, enabled=len(self.branches(sampling)) == 2
                )
                pipeline.tokenizer_max_length, pipeline.tokenizer_2_max_length = _text_tokens(sampling)
                yield
            finally:
                pipeline.guider = guider
                pipeline.tokenizer_max_length, pipeline.tokenizer_2_max_length = lengths

    def branch(self, context_name: str | None) -> Branch:
        """See `Family.branch`."""
        try:
            return _BRANCHES[context_name or ""]
        except KeyError:
            raise ValueError(f"cache context is {context_name!r}; the guider names pred_cond and pred_uncond") from None


def _text_tokens(sampling: Sampling) -> tuple[int, int]:
    """Tokens of the prompt and of the texts quoted in it."""
    bound = sampling.max_sequence_length
    return (TEXT_TOKENS, GLYPH_TOKENS) if bound is None else (bound, min(bound, GLYPH_TOKENS))
