"""CogVideoX text-to-video (diffusers `CogVideoXPipeline`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import diffusers
import torch
from torch import nn

from methods.base import Branch, Sampling
from methods.families.base import ModuleKind, Signal, TransformerCall
from methods.families.parts.discrete_time import DiscreteTimeFamily, block_list
from methods.families.parts.loading import load_pipeline
from methods.families.parts.tiny import tiny_t5_encoder, tiny_tokenizer

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

_TEMPORAL_STRIDE, _SPATIAL_STRIDE = 4, 8
_TEXT_TOKENS = 226


class CogVideoX(DiscreteTimeFamily):
    """CogVideoX 2B and 5B (arXiv 2408.06072), as diffusers 0.42.1 runs them; CogVideoX 1.5 is called alike.

    Guidance is one call, [uncond, cond], in the cache context `cond_uncond`. A block passes on video and text; its
    attention returns both, its feed-forward takes them joined. `emb` is the time embedding, which holds no text.
    The pipeline's `use_dynamic_cfg` stays off, as it is in diffusers; upstream turns it on for the 5B model.
    """

    name: ClassVar[str] = "cogvideox"
    pipeline_class: ClassVar[str] = "CogVideoXPipeline"
    batched_branches: ClassVar[tuple[Branch, Branch] | None] = ("uncond", "cond")
    batched_arguments: ClassVar[tuple[str, ...]] = ("hidden_states", "encoder_hidden_states", "timestep")
    cache_context: ClassVar[str | None] = "cond_uncond"
    latent_layout: ClassVar[str] = "BFCHW"
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50, guidance_scale=6.0, height=480, width=720, num_frames=49
    )
    signals: ClassVar[tuple[str, ...]] = ("emb",)
    block_streams: ClassVar[tuple[str, ...]] = ("hidden_states", "encoder_hidden_states")
    module_kinds: ClassVar[tuple[tuple[str, ModuleKind], ...]] = (("attn1", "self_attention"), ("ff", "feed_forward"))

    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """See `Family.load`.

        Raises:
            ValueError: the model is made for another pipeline, or `dtype` is no floating-point type.
            OSError: there is no such model, or it is not on disk and the hub cannot be asked.
        """
        return load_pipeline(
            model,
            revision=revision,
            dtype=dtype,
            device=device,
            family=self.name,
            pipeline_class=self.pipeline_class,
        )

    def tiny(self, seed: int, like: str | None = None) -> Any:
        """See `Family.tiny`: 4 blocks of width 32, an autoencoder of stride 4 x 8 x 8, words as tokens.

        Positions are rotary, as in the 5B model, or as in `like`; the scheduler is the 2B model's.
        """
        published = self.architectures()[like]["transformer"] if like else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = _diffusers.CogVideoXTransformer3DModel(
                num_attention_heads=2,
                attention_head_dim=16,
                in_channels=4,
                out_channels=4,
                time_embed_dim=16,
                text_embed_dim=16,
                num_layers=published.get("num_layers", 4),
                sample_width=4,
                sample_height=4,
                sample_frames=9,
                max_text_seq_length=8,
                use_rotary_positional_embeddings=published.get("use_rotary_positional_embeddings", True),
            )
            vae = _diffusers.AutoencoderKLCogVideoX(
                block_out_channels=(4, 4, 4, 4), latent_channels=4, layers_per_block=1, norm_num_groups=2
            )
            text_encoder = tiny_t5_encoder(width=16)
        pipeline = _diffusers.CogVideoXPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=text_encoder,
            vae=vae.eval(),
            transformer=transformer.eval(),
            scheduler=_diffusers.CogVideoXDDIMScheduler(
                snr_shift_scale=3.0,
                prediction_type="v_prediction",
                rescale_betas_zero_snr=True,
                timestep_spacing="trailing",
                clip_sample=False,
            ),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 3 x 2 x 2 tokens of video, 8 of text."""
        return Sampling(
            num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=9, max_sequence_length=8
        )

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`.

        Raises:
            ValueError: the autoencoder decodes to another number of frames than is asked for.
        """
        if sampling.num_frames % 8 != 1:
            raise ValueError(f"num_frames is {sampling.num_frames}; CogVideoX makes 8k + 1 frames, such as 49")
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

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 4 x 8 x 8, text padded to `max_sequence_length` or 226."""
        weight = next(transformer.parameters())
        config: Any = transformer.config
        batch, patch, temporal_patch = self.batch_size(sampling), config.patch_size, config.patch_size_t or 1
        frames = (sampling.num_frames - 1) // _TEMPORAL_STRIDE + 1
        frames += -frames % temporal_patch
        height, width = sampling.height // _SPATIAL_STRIDE, sampling.width // _SPATIAL_STRIDE
        latents = weight.new_empty(batch, frames, config.in_channels, height, width)
        tokens = frames // temporal_patch * (height // patch) * (width // patch)
        rotation = weight.new_empty(tokens, config.attention_head_dim, dtype=torch.float32)
        arguments = {
            "hidden_states": latents,
            "encoder_hidden_states": weight.new_empty(
                batch, sampling.max_sequence_length or _TEXT_TOKENS, config.text_embed_dim
            ),
            "timestep": latents.new_empty(batch, dtype=torch.int64),
            "image_rotary_emb": (rotation, rotation) if config.use_rotary_positional_embeddings else None,
            "attention_kwargs": None,
            "return_dict": False,
        }
        return [TransformerCall(self.cache_context, arguments)]

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`."""
        return [block_list(transformer, "transformer_blocks")]

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`. `emb` is in the model's type."""
        if kind != "emb":
            raise ValueError(f"signal is {kind!r}; {self.name} has {', '.join(self.signals)}")
        return Signal(transformer.get_submodule("time_embedding"), "output", lambda output: output)
