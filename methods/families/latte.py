"""Latte text-to-video (diffusers `LattePipeline`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import diffusers
import torch
from torch import Tensor, nn

from methods.base import Branch, Sampling
from methods.families.base import ModuleKind, Signal, TransformerCall
from methods.families.parts.discrete_time import DiscreteTimeFamily, block_arguments, block_list
from methods.families.parts.image_autoencoder import SPATIAL_STRIDE, tiny_image_autoencoder
from methods.families.parts.loading import load_pipeline
from methods.families.parts.tiny import tiny_t5_encoder, tiny_tokenizer

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

_SPATIAL, _TEMPORAL = "transformer_blocks", "temporal_transformer_blocks"

_TEXT_TOKENS = 120


class Latte(DiscreteTimeFamily):
    """Latte-1 (arXiv 2401.03048), as diffusers 0.42.1 runs it.

    Guidance is one call, [uncond, cond], in no cache context. Block i of a paper is a pair: a spatial block on tokens
    of shape (batch * frames, patches, channels), then a temporal one on (batch * patches, frames, channels). Between
    the first two, where there is more than one frame, the transformer adds the frames' positions.

    Prompts are lower-cased but not cleaned of markup (`clean_caption`), so that the same prompt gives the same text
    whatever packages are installed. Videos are decoded by the model's image autoencoder.
    """

    name: ClassVar[str] = "latte"
    pipeline_class: ClassVar[str] = "LattePipeline"
    batched_branches: ClassVar[tuple[Branch, Branch] | None] = ("uncond", "cond")
    batched_arguments: ClassVar[tuple[str, ...]] = ("hidden_states", "encoder_hidden_states", "timestep")
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50, guidance_scale=7.5, height=512, width=512, num_frames=16
    )
    signals: ClassVar[tuple[str, ...]] = ("modulated_hidden",)
    module_kinds: ClassVar[tuple[tuple[str, ModuleKind], ...]] = (
        ("attn1", "self_attention"),
        ("attn2", "cross_attention"),
        ("ff", "feed_forward"),
    )

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
        """See `Family.tiny`: 4 pairs of width 24, an autoencoder of stride 8, words as tokens."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = _diffusers.LatteTransformer3DModel(
                num_attention_heads=2,
                attention_head_dim=12,
                in_channels=4,
                out_channels=8,
                num_layers=self.architectures()[like]["transformer"]["num_layers"] if like else 4,
                cross_attention_dim=24,
                attention_bias=True,
                sample_size=4,
                patch_size=2,
                activation_fn="gelu-approximate",
                num_embeds_ada_norm=1000,
                norm_type="ada_norm_single",
                norm_elementwise_affine=False,
                norm_eps=1e-6,
                caption_channels=16,
                video_length=3,
            )
            vae = tiny_image_autoencoder()
            text_encoder = tiny_t5_encoder(width=16)
        pipeline = _diffusers.LattePipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=text_encoder,
            vae=vae,
            transformer=transformer.eval(),
            scheduler=_diffusers.DDIMScheduler(clip_sample=False),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 3 x 2 x 2 tokens."""
        return Sampling(num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=3)

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`.

        Raises:
            ValueError: `max_sequence_length` is set, which the pipeline does not let one choose.
        """
        if sampling.max_sequence_length not in (None, _TEXT_TOKENS):
            raise ValueError(
                f"max_sequence_length is {sampling.max_sequence_length}; LattePipeline takes only {_TEXT_TOKENS}, "
                "so leave it out"
            )
        return {
            "prompt": prompt,
            "negative_prompt": sampling.negative_prompt,
            "height": sampling.height,
            "width": sampling.width,
            "video_length": sampling.num_frames,
            "num_inference_steps": sampling.num_inference_steps,
            "guidance_scale": sampling.guidance_scale,
            "clean_caption": False,
        }

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 1 x 8 x 8 and 120 tokens of text.

        The pipeline cuts the text to the prompt's own length, at most 120, so that cross-attention costs less there.
        """
        weight = next(transformer.parameters())
        config: Any = transformer.config
        batch, height, width = self.batch_size(sampling), sampling.height, sampling.width
        latents = weight.new_empty(
            batch, config.in_channels, sampling.num_frames, height // SPATIAL_STRIDE, width // SPATIAL_STRIDE
        )
        arguments = {
            "hidden_states": latents,
            "encoder_hidden_states": weight.new_empty(batch, _TEXT_TOKENS, config.caption_channels),
            "timestep": latents.new_empty(batch, dtype=torch.int64),
            "enable_temporal_attentions": True,
            "return_dict": False,
        }
        return [TransformerCall(self.cache_context, arguments)]

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`. The two run in turns; see `stack`."""
        return [block_list(transformer, _SPATIAL), block_list(transformer, _TEMPORAL)]

    def stack(self, transformer: nn.Module) -> tuple[tuple[nn.Module, ...], ...]:
        """See `Family.stack`: pairs of a spatial and a temporal block."""
        return tuple(zip(*(blocks for _, blocks in self.block_lists(transformer)), strict=True))

    def arrive(
        self,
        transformer: nn.Module,
        blocks: Sequence[nn.Module],
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """See `Family.arrive`: in the layout of `blocks[-1]`, with the frames' positions if they are added on the way.

        A single frame has no positions. Where that cannot be told from the shapes, between two spatial blocks, a batch
        that is a multiple of the model's frames is taken to be made of such.
        """
        spatial = list(transformer.get_submodule(_SPATIAL).children())
        starts, ends = blocks[0] in spatial, blocks[-1] in spatial
        (hidden,), (output,) = inputs, outputs
        positions: Any = transformer.temp_pos_embed
        frames = int(positions.shape[1])
        if starts != ends:
            frames = (output if starts else hidden).shape[1]
        elif len(hidden) % frames:
            frames = 1
        if starts and blocks[0] is spatial[0] and blocks[-1] is not spatial[0] and frames > 1:
            added = positions.to(hidden.dtype).transpose(0, 1)  # (frames, 1, channels)
            hidden = (hidden.reshape(-1, frames, *hidden.shape[1:]) + added).flatten(0, 1)
        if starts == ends:
            return (hidden,)
        outer = frames if starts else output.shape[1]
        return (hidden.reshape(-1, outer, *hidden.shape[1:]).transpose(1, 2).flatten(0, 1),)

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`.

        `modulated_hidden` is what enters the attention of spatial block 0: the normalised tokens, scaled and shifted by
        the block's table plus the time embedding.
        """
        if kind != "modulated_hidden":
            raise ValueError(f"signal is {kind!r}; {self.name} has {', '.join(self.signals)}")
        block: Any = self.stack(transformer)[0][0]

        def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
            given = block_arguments(block, args, kwargs)
            hidden = given["hidden_states"]
            table = block.scale_shift_table[None] + given["timestep"].reshape(len(hidden), 6, -1)
            modulated: Tensor = block.norm1(hidden) * (1 + table[:, 1:2]) + table[:, 0:1]
            return modulated

        return Signal(block, "input", read)
