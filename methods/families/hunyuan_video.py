"""HunyuanVideo 1.0 text-to-video (diffusers `HunyuanVideoPipeline`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import diffusers
import torch
from torch import Tensor, nn

from methods.base import Branch, Sampling
from methods.families.base import CachedModule, Family, Guidance, Signal, TransformerCall
from methods.families.parts.dual_stream import STREAMS, blocks_of, cached_modules, modulated_hidden
from methods.families.parts.encoding import likeliest_latents
from methods.families.parts.given_sigmas import noise_levels
from methods.families.parts.loading import load_pipeline
from methods.families.parts.tiny import tiny_clip_text_encoder, tiny_llama, tiny_tokenizer

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

_DUAL, _SINGLE = "transformer_blocks", "single_transformer_blocks"
_BRANCHES: dict[str, Branch] = {"cond": "cond", "uncond": "uncond"}
_TEXT_TOKENS = 256
# Tokens of the pipeline's prompt template before the prompt, as it cuts them off, and as the tiny tokenizer has them.
_TEMPLATE_TOKENS, _TINY_TEMPLATE_TOKENS = 95, 93


class HunyuanVideo(Family):
    """HunyuanVideo T2V, 13B (arXiv 2412.03603), as diffusers 0.42.1 runs it.

    The published weights are distilled: `guidance_scale` is an embedding and a step is one call, in the cache context
    `cond`. With `true_cfg_scale` above 1 a second call, in `uncond`, sees the negative prompt and the same embedded
    scale. The stack is 20 dual-stream blocks and then 40 single-stream ones, where attention and feed-forward end in
    one projection, `proj_out`. The refiner of the text tokens also has attention, which is no part of the stack.
    """

    name: ClassVar[str] = "hunyuan_video"
    pipeline_class: ClassVar[str] = "HunyuanVideoPipeline"
    guidance: ClassVar[Guidance] = "embedded"
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50,
        guidance_scale=6.0,
        height=720,
        width=1280,
        num_frames=129,
        flow_shift=7.0,
        max_sequence_length=_TEXT_TOKENS,
    )
    signals: ClassVar[tuple[str, ...]] = ("modulated_hidden", "temb")
    block_streams: ClassVar[tuple[str, ...]] = STREAMS
    takes_conditions: ClassVar[bool] = True
    detail_modules: ClassVar[tuple[str, ...]] = ("time_text_embed", "norm_out", "proj_out")
    untrainable: ClassVar[str | None] = None

    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """See `Family.load`. The autoencoder decodes in tiles, as upstream does by default.

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
        """See `Family.tiny`: 2 dual and 4 single blocks of width 32, an autoencoder of stride 4 x 8 x 8."""
        config = self.architectures()[like]["transformer"] if like else {"num_layers": 2, "num_single_layers": 4}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = _diffusers.HunyuanVideoTransformer3DModel(
                in_channels=4,
                out_channels=4,
                num_attention_heads=2,
                attention_head_dim=16,
                num_layers=config["num_layers"],
                num_single_layers=config["num_single_layers"],
                num_refiner_layers=1,
                text_embed_dim=16,
                pooled_projection_dim=16,
                rope_axes_dim=(4, 6, 6),
            )
            vae = _diffusers.AutoencoderKLHunyuanVideo(
                latent_channels=4,
                block_out_channels=(4, 4, 4, 4),
                layers_per_block=1,
                norm_num_groups=2,
                mid_block_add_attention=False,
            )
            text_encoder, text_encoder_2 = tiny_llama(width=16), tiny_clip_text_encoder(width=16)
        pipeline = _diffusers.HunyuanVideoPipeline(
            text_encoder=text_encoder,
            tokenizer=tiny_tokenizer(leading=_TEMPLATE_TOKENS - _TINY_TEMPLATE_TOKENS),
            transformer=transformer.eval(),
            vae=vae.eval(),
            scheduler=_diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
            text_encoder_2=text_encoder_2,
            tokenizer_2=tiny_tokenizer(),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 2 x 2 x 2 tokens, two calls a step."""
        return Sampling(
            num_inference_steps=6,
            guidance_scale=6.0,
            height=32,
            width=32,
            num_frames=5,
            max_sequence_length=8,
            true_cfg_scale=3.0,
        )

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`. The negative prompt counts only where there is a second call."""
        arguments: dict[str, Any] = {
            "prompt": prompt,
            "height": sampling.height,
            "width": sampling.width,
            "num_frames": sampling.num_frames,
            "num_inference_steps": sampling.num_inference_steps,
            "guidance_scale": sampling.guidance_scale,
        }
        if len(self.branches(sampling)) == 2:
            arguments |= {"negative_prompt": sampling.negative_prompt, "true_cfg_scale": sampling.true_cfg_scale}
        if sampling.max_sequence_length is not None:
            arguments["max_sequence_length"] = sampling.max_sequence_length
        return arguments

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 4 x 8 x 8, text padded to `max_sequence_length` or 256.

        These are the calls of all steps but the first. There the timestep is in float32 whatever the model's type,
        since the noise is; the scheduler then leaves the latents in the model's.
        """
        weight = next(transformer.parameters())
        config: Any = transformer.config
        frames = (sampling.num_frames - 1) // 4 + 1
        text_tokens = sampling.max_sequence_length or _TEXT_TOKENS
        arguments = {
            "hidden_states": weight.new_empty(1, config.in_channels, frames, sampling.height // 8, sampling.width // 8),
            "timestep": weight.new_empty(1),
            "encoder_hidden_states": weight.new_empty(1, text_tokens, config.text_embed_dim),
            # Values of a mask count where they are computed with: an empty text would divide by zero.
            "encoder_attention_mask": weight.new_ones(1, text_tokens),
            "pooled_projections": weight.new_empty(1, config.pooled_projection_dim),
            "guidance": weight.new_empty(1),
            "return_dict": False,
        }
        return [TransformerCall(branch, arguments) for branch in self.branches(sampling)]

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`."""
        return [(name, blocks_of(transformer, name)) for name in (_DUAL, _SINGLE)]

    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """See `Family.cached_modules`. A single block's `proj_out` makes its attention and `proj_mlp` needless."""
        found: list[CachedModule] = []
        for list_name, blocks in self.block_lists(transformer):
            if list_name == _DUAL:
                found += cached_modules(list_name, list(blocks))
                continue
            for index, block in enumerate(blocks):
                attention, feed_forward, end = (block.get_submodule(n) for n in ("attn", "proj_mlp", "proj_out"))
                found.append(CachedModule(f"{list_name}.{index}.attn", attention, "self_attention"))
                found.append(CachedModule(f"{list_name}.{index}.proj_out", end, "fused", (attention, feed_forward)))
        return found

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`. `temb` is the sum of the time, guidance and pooled text embeddings."""
        if kind == "modulated_hidden":
            return modulated_hidden(blocks_of(transformer, _DUAL)[0])
        if kind == "temb":
            return Signal(transformer.get_submodule("time_text_embed"), "output", lambda output: output[0])
        raise ValueError(f"signal is {kind!r}; hunyuan_video has {', '.join(self.signals)}")

    def time_embedding(self, transformer: nn.Module) -> nn.Module:
        """See `Family.time_embedding`. The text refiner has a time embedding of its own, which sees the timestep only.

        Guidance and pooled text are embedded beside this one and added after.
        """
        return transformer.get_submodule("time_text_embed.timestep_embedder")

    def guidance_embedder(self, transformer: nn.Module) -> nn.Module | None:
        """See `Family.guidance_embedder`; None where the configuration has `guidance_embeds` false."""
        embedding: Any = transformer.get_submodule("time_text_embed")
        embedder: nn.Module | None = embedding.guidance_embedder
        return embedder

    def clean_latents(self, pipeline: Any, video: Tensor) -> Tensor:
        """See `Family.clean_latents`: times the one factor that the autoencoder states."""
        scaled: Tensor = likeliest_latents(pipeline, video) * pipeline.vae.config.scaling_factor
        return scaled

    def prompt_arguments(self, pipeline: Any, prompt: str, sampling: Sampling) -> dict[str, Tensor]:
        """See `Family.prompt_arguments`: text padded to `max_sequence_length` or 256, and the embedded scale if any."""
        states, pooled, mask = pipeline.encode_prompt(
            prompt, max_sequence_length=sampling.max_sequence_length or _TEXT_TOKENS
        )
        arguments = {
            "encoder_hidden_states": states,
            "encoder_attention_mask": mask.to(states.dtype),
            "pooled_projections": pooled,
        }
        if self.guidance_embedder(self.transformer(pipeline)) is not None:
            arguments["guidance"] = states.new_full((1,), sampling.guidance_scale) * 1000.0
        return arguments

    def scheduled(self, pipeline: Any, sampling: Sampling) -> AbstractContextManager[None]:
        """See `Family.scheduled`. The model's own scheduler comes back on leaving.

        Raises:
            ValueError: see `noise_levels`.
        """
        return noise_levels(pipeline, sampling)

    def branch(self, context_name: str | None) -> Branch:
        """See `Family.branch`."""
        try:
            return _BRANCHES[context_name or ""]
        except KeyError:
            raise ValueError(f"cache context is {context_name!r}; HunyuanVideoPipeline names cond and uncond") from None
