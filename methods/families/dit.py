"""DiT class-conditional images (diffusers `DiTPipeline`, with the paper's sampler)."""

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
from methods.families.parts.loading import floating_point_type, pipeline_index
from methods.families.parts.reference_dit_pipeline import ReferenceDiTPipeline
from methods.families.parts.respaced_ddpm import RespacedDDPMScheduler

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

_CLASSES = 1000
_TINY_LABELS = {0: "a red circle moves left, a red circle", 1: "a green square"}


class Dit(DiscreteTimeFamily):
    """DiT-XL/2 (arXiv 2212.09748) on diffusers 0.42.1: an image is a video of one frame, a prompt is an ImageNet class.

    A class is an index, as in `207`, or a name, as in `golden retriever`, where the model's index has names. Guidance
    is one call, [cond, uncond], in no cache context. The sampler is the repository's, not diffusers'; see
    `ReferenceDiTPipeline`. The default is the setting of the paper's best result (table 2: 250 steps, guidance 1.5).
    """

    name: ClassVar[str] = "dit"
    pipeline_class: ClassVar[str] = "DiTPipeline"
    batched_branches: ClassVar[tuple[Branch, Branch] | None] = ("cond", "uncond")
    batched_arguments: ClassVar[tuple[str, ...]] = ("hidden_states", "timestep", "class_labels")
    latent_layout: ClassVar[str] = "BCHW"
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=250, guidance_scale=1.5, height=256, width=256, num_frames=1
    )
    float32_components: ClassVar[tuple[str, ...]] = ("vae",)
    """Components that stay in float32 whatever type is asked for, as in the repository."""
    signals: ClassVar[tuple[str, ...]] = ("modulated_hidden",)
    module_kinds: ClassVar[tuple[tuple[str, ModuleKind], ...]] = (("attn1", "self_attention"), ("ff", "feed_forward"))

    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """See `Family.load`.

        Raises:
            ValueError: the model is made for another pipeline or was trained otherwise than the sampler needs, or
                `dtype` is no floating-point type.
            OSError: there is no such model, or it is not on disk and the hub cannot be asked.
        """
        kinds = {"default": floating_point_type(dtype), **dict.fromkeys(self.float32_components, torch.float32)}
        pipeline_index(model, revision, self.name, self.pipeline_class)
        config = _diffusers.DDPMScheduler.load_config(model, subfolder="scheduler", revision=revision)
        pipeline = ReferenceDiTPipeline.from_pretrained(
            model, revision=revision, dtype=kinds, scheduler=RespacedDDPMScheduler.like(config)
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)

    def tiny(self, seed: int, like: str | None = None) -> Any:
        """See `Family.tiny`: 4 blocks of width 24, an autoencoder of stride 8; names a few of its 1000 classes."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = _diffusers.DiTTransformer2DModel(
                num_attention_heads=2,
                attention_head_dim=12,
                in_channels=4,
                out_channels=8,
                num_layers=self.architectures()[like]["transformer"]["num_layers"] if like else 4,
                sample_size=4,
                num_embeds_ada_norm=_CLASSES,
            )
            vae = tiny_image_autoencoder()
        pipeline = ReferenceDiTPipeline(
            transformer=transformer.eval(), vae=vae, scheduler=RespacedDDPMScheduler(), id2label=_TINY_LABELS
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 2 x 2 tokens."""
        return Sampling(num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=1)

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`. `prompt` is a class; there is no negative one.

        Raises:
            ValueError: more than one frame is asked for, or there is a negative prompt.
        """
        if sampling.num_frames != 1:
            raise ValueError(f"num_frames is {sampling.num_frames}; DiT makes images, so give 1")
        if sampling.negative_prompt:
            raise ValueError(f"negative_prompt is {sampling.negative_prompt!r}; DiT has none, so leave it out")
        return {
            "class_labels": prompt,
            "height": sampling.height,
            "width": sampling.width,
            "num_inference_steps": sampling.num_inference_steps,
            "guidance_scale": sampling.guidance_scale,
        }

    def videos(self, output: Any) -> Any:
        """See `Family.videos`: each image is a video of one frame."""
        images = output.images
        return [[image] for image in images] if isinstance(images, list) else images[:, None]

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 8 x 8."""
        weight = next(transformer.parameters())
        config: Any = transformer.config
        batch = self.batch_size(sampling)
        height, width = sampling.height // SPATIAL_STRIDE, sampling.width // SPATIAL_STRIDE
        latents = weight.new_empty(batch, config.in_channels, height, width)
        arguments = {
            "hidden_states": latents,
            "timestep": latents.new_empty(batch, dtype=torch.int64),
            "class_labels": latents.new_empty(batch, dtype=torch.int64),
            "return_dict": False,
        }
        return [TransformerCall(self.cache_context, arguments)]

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`."""
        return [block_list(transformer, "transformer_blocks")]

    def token_frames(self, transformer: nn.Module, hidden_states: Tensor) -> int:
        """See `Family.token_frames`: an image is one."""
        return 1

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`.

        `modulated_hidden` is what enters the attention of block 0: the normalised tokens, scaled and shifted by the
        embedding of time and class.
        """
        if kind != "modulated_hidden":
            raise ValueError(f"signal is {kind!r}; {self.name} has {', '.join(self.signals)}")
        block: Any = self.stack(transformer)[0][0]

        def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
            given = block_arguments(block, args, kwargs)
            hidden = given["hidden_states"]
            modulated: Tensor = block.norm1(
                hidden, given["timestep"], given["class_labels"], hidden_dtype=hidden.dtype
            )[0]
            return modulated

        return Signal(block, "input", read)
