"""What Wan 2.1 text-to-video and image-to-video share: the transformer's blocks, its signals and the scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import diffusers
import torch
from torch import nn

from methods.base import Branch, Sampling
from methods.families.base import CachedModule, Family, Guidance, ModuleKind, Signal
from methods.families.parts.given_sigmas import noise_levels
from methods.families.parts.loading import floating_point_type, pipeline_index

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

TEMPORAL_STRIDE, SPATIAL_STRIDE = 4, 8
"""Frames and pixels a side that the autoencoder makes one latent of."""
TEXT_TOKENS = 512
"""What the pipelines pad texts to."""

_MODULES: tuple[tuple[str, ModuleKind], ...] = (
    ("attn1", "self_attention"),
    ("attn2", "cross_attention"),
    ("ffn", "feed_forward"),
)
_BRANCHES: dict[str, Branch] = {"cond": "cond", "uncond": "uncond"}


class WanFamily(Family):
    """Wan 2.1 (arXiv 2503.20314), as diffusers 0.42.1 runs it.

    Classifier-free guidance is two calls of the transformer, in the cache contexts `cond` and `uncond`. The time
    embedding `temb` (upstream's e) and its projection `timestep_proj` (e0) hold no text, so both branches see equal
    signals. Wan 2.2, with two transformers or a timestep for each token, is refused.
    """

    guidance: ClassVar[Guidance] = "sequential"
    signals: ClassVar[tuple[str, ...]] = ("temb", "timestep_proj")
    takes_conditions: ClassVar[bool] = True
    context_parallel: ClassVar[bool] = True
    detail_modules: ClassVar[tuple[str, ...]] = ("condition_embedder", "proj_out")
    float32_components: ClassVar[tuple[str, ...]] = ("vae",)
    """Components that stay in float32 whatever type is asked for, as upstream keeps them."""

    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """See `Family.load`.

        Raises:
            ValueError: the model is a Wan 2.2 or made for another pipeline, or `dtype` is no floating-point type.
            OSError: there is no such model, or it is not on disk and the hub cannot be asked.
        """
        kinds = {"default": floating_point_type(dtype), **dict.fromkeys(self.float32_components, torch.float32)}
        index = pipeline_index(model, revision, self.name, self.pipeline_class)
        if index.get("transformer_2", [None, None])[1] is not None or index.get("expand_timesteps"):
            raise ValueError(f"{model} is a Wan 2.2, which family {self.name} does not support yet; use a Wan 2.1")
        pipeline_class = getattr(_diffusers, self.pipeline_class)
        pipeline = pipeline_class.from_pretrained(model, revision=revision, dtype=kinds)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`."""
        arguments: dict[str, Any] = {
            "prompt": prompt,
            "negative_prompt": sampling.negative_prompt,
            "height": sampling.height,
            "width": sampling.width,
            "num_frames": sampling.num_frames,
            "num_inference_steps": sampling.num_inference_steps,
            "guidance_scale": sampling.guidance_scale,
        }
        if sampling.max_sequence_length is not None:
            arguments["max_sequence_length"] = sampling.max_sequence_length
        return arguments

    def empty_arguments(self, transformer: nn.Module, sampling: Sampling) -> dict[str, Any]:
        """Uninitialised arguments of one call: latents, timestep and text. Text is padded, to 512 tokens by default."""
        weight = next(transformer.parameters())
        config: Any = transformer.config
        frames = (sampling.num_frames - 1) // TEMPORAL_STRIDE + 1
        height, width = sampling.height // SPATIAL_STRIDE, sampling.width // SPATIAL_STRIDE
        latents = weight.new_empty(1, config.in_channels, frames, height, width)
        return {
            "hidden_states": latents,
            "timestep": latents.new_empty(1, dtype=torch.float32),
            "encoder_hidden_states": weight.new_empty(1, sampling.max_sequence_length or TEXT_TOKENS, config.text_dim),
            "return_dict": False,
        }

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`."""
        blocks = transformer.get_submodule("blocks")
        assert isinstance(blocks, nn.ModuleList)
        return [("blocks", blocks)]

    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """See `Family.cached_modules`."""
        return [
            CachedModule(f"{list_name}.{index}.{name}", block.get_submodule(name), kind)
            for list_name, blocks in self.block_lists(transformer)
            for index, block in enumerate(blocks)
            for name, kind in _MODULES
        ]

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`.

        `temb` is read where the time embedder yields it, in float32 whatever the model's type; the condition embedder
        rounds it to that type right after.
        """
        if kind == "temb":
            embedder = transformer.get_submodule("condition_embedder.time_embedder")
            return Signal(embedder, "output", lambda output: output)
        if kind == "timestep_proj":
            return Signal(transformer.get_submodule("condition_embedder"), "output", lambda output: output[1])
        raise ValueError(f"signal is {kind!r}; {self.name} has {', '.join(self.signals)}")

    def time_embedding(self, transformer: nn.Module) -> nn.Module:
        """See `Family.time_embedding`."""
        return transformer.get_submodule("condition_embedder.time_embedder")

    def scheduled(self, pipeline: Any, sampling: Sampling) -> AbstractContextManager[None]:
        """See `Family.scheduled`.

        Raises:
            ValueError: see `noise_levels`.
        """
        return noise_levels(pipeline, sampling)

    def branch(self, context_name: str | None) -> Branch:
        """See `Family.branch`."""
        try:
            return _BRANCHES[context_name or ""]
        except KeyError:
            raise ValueError(
                f"cache context is {context_name!r}; {self.pipeline_class} names cond and uncond"
            ) from None


def tiny_transformer(num_layers: int, **changed: Any) -> Any:
    """A randomly initialised transformer of width 24 for 4 latent channels and 16-wide text; `changed` goes over it."""
    config = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 4,
        "out_channels": 4,
        "text_dim": 16,
        "freq_dim": 32,
        "ffn_dim": 48,
        "num_layers": num_layers,
        "rope_max_seq_len": 32,
    }
    return _diffusers.WanTransformer3DModel(**(config | changed)).eval()


def tiny_autoencoder() -> Any:
    """A randomly initialised autoencoder of stride 4 x 8 x 8 with 4 latent channels."""
    return _diffusers.AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    ).eval()
