"""What a family is: everything that is known about one diffusers architecture and about no other."""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from methods.base import Branch, Sampling

Guidance = Literal["sequential", "batched", "embedded"]
"""`sequential`: one transformer call per branch. `batched`: both in one call. `embedded`: a single call."""

ModuleKind = Literal["self_attention", "cross_attention", "feed_forward", "fused"]
"""`fused`: the projection in which attention and feed-forward of a single-stream block end together."""


@dataclass(frozen=True, slots=True)
class CachedModule:
    """A child of a block whose output a method may keep, from before any gate; `name` is dotted, below the transformer.

    `feeds` are modules (listed themselves where they are attention) that nothing but this one reads: when this one is
    reused they need not run.
    """

    name: str
    module: nn.Module
    kind: ModuleKind
    feeds: tuple[nn.Module, ...] = ()


@dataclass(frozen=True, slots=True)
class Signal:
    """Where a tensor that steers a method is read, once per transformer call and before the first block has run.

    `at="output"`: from what `module` returned, as `read(output)`. `at="input"`: from what `module` is about to be
    called with, as `read(args, kwargs)`.
    """

    module: nn.Module
    at: Literal["input", "output"]
    read: Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class TransformerCall:
    """One call of the transformer as the pipeline makes it: under this cache context, with these keyword arguments."""

    context_name: str | None
    arguments: Mapping[str, Any]


class Family(ABC):
    """One architecture. Stateless; discovered by the name of its file."""

    name: ClassVar[str]
    pipeline_class: ClassVar[str]
    """Name of the class in diffusers."""
    guidance: ClassVar[Guidance]
    batched_branches: ClassVar[tuple[Branch, Branch] | None] = None
    """Order of the halves where `guidance` is `batched`."""
    batched_arguments: ClassVar[tuple[str, ...]] = ()
    """Arguments of the transformer that hold both halves along their first dimension."""
    context_parallel: ClassVar[bool] = False
    """Whether diffusers knows how to spread the transformer's tokens over several devices (`_cp_plan`)."""
    needs_image: ClassVar[bool] = False
    """Whether a video begins with a given image."""
    takes_conditions: ClassVar[bool] = False
    """Whether `time_embedding` is known, so that distilled students of the family can be told guidance and r."""
    untrainable: ClassVar[str | None] = "how its pipeline encodes clips and prompts is not written down here"
    """Why nothing of it can be trained on clips; None where `clean_latents` and `prompt_arguments` are there."""
    detail_modules: ClassVar[tuple[str, ...]] = ()
    """Children of the transformer that DCM's detail expert has copies of: what embeds time and condition, and the
    output layer. Empty where there can be no such expert, since its steps are those of a flow."""
    latent_layout: ClassVar[str] = "BCFHW"
    """Dimensions of the transformer's output, for methods that look at its frames."""
    float32_components: ClassVar[tuple[str, ...]] = ()
    """Components that stay in float32 whatever the model's type."""
    default_sampling: ClassVar[Sampling]
    """The architecture's published setting."""
    signals: ClassVar[tuple[str, ...]]
    """Names of the signals `modulated_input` knows; the first is the default one."""
    block_streams: ClassVar[tuple[str, ...]] = ("hidden_states",)
    """Arguments of a block that it passes on to the next, in the order in which it returns them. A block with one
    stream returns a bare tensor, otherwise a tuple."""

    @abstractmethod
    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """The pipeline from a folder or a hub id. `dtype` is torch's name of it, e.g. `bfloat16`."""

    @abstractmethod
    def tiny(self, seed: int, like: str | None = None) -> Any:
        """A small randomly initialised pipeline of the same diffusers classes; downloads nothing.

        With `like`, the name of one of `architectures()`, it has as many blocks as that, so that what a method says of
        blocks and steps means the same; everything else stays small.
        """

    @abstractmethod
    def tiny_sampling(self) -> Sampling:
        """A few steps at the smallest size the architecture takes, for `tiny`."""

    @abstractmethod
    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """Arguments of the pipeline's `__call__` for one video, all but generator, callback and output type.

        `image` is a PIL image where `needs_image`.
        """

    def videos(self, output: Any) -> Any:
        """The videos in what the pipeline's `__call__` returned: batch first, then as the output type has them."""
        return output.frames

    def branches(self, sampling: Sampling) -> tuple[Branch, ...]:
        """The transformer calls of one step, in order."""
        if self.guidance == "batched":
            return ("both",)
        guided = sampling.guidance_scale if self.guidance == "sequential" else sampling.true_cfg_scale or 1.0
        return ("cond", "uncond") if guided > 1 else ("cond",)

    def architectures(self) -> Mapping[str, Mapping[str, Any]]:
        """Published models of the family by hub id: configurations of `transformer` and the other components, `source`.

        Read from `architectures/<family>.json` beside the families; nothing is downloaded.
        """
        path = Path(__file__).parent / "architectures" / f"{self.name}.json"
        found: dict[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found

    def empty_transformer(self, architecture: Mapping[str, Any]) -> nn.Module:
        """The transformer of one of `architectures()` on the meta device: all shapes, no weights."""
        library: Any = importlib.import_module("diffusers")  # here, since planning does without it
        config = dict(architecture["transformer"])
        with torch.device("meta"):
            made: nn.Module = getattr(library, config["_class_name"]).from_config(config)
        return made.eval()

    @abstractmethod
    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """The calls of one step as the pipeline makes them under `sampling`, with uninitialised tensors.

        They are on the transformer's device and in its type, for one video, so that they cost what the pipeline's cost.
        """

    def transformer(self, pipeline: Any) -> nn.Module:
        """The denoiser."""
        transformer: nn.Module = pipeline.transformer
        return transformer

    @abstractmethod
    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """The lists of blocks with their attribute names, in the order in which they run."""

    def stack(self, transformer: nn.Module) -> tuple[tuple[nn.Module, ...], ...]:
        """The blocks in the order in which they run, by depth: block i of a paper is entry i, most often one module."""
        return tuple((block,) for _, blocks in self.block_lists(transformer) for block in blocks)

    def arrive(
        self,
        transformer: nn.Module,
        blocks: Sequence[nn.Module],
        inputs: tuple[Tensor, ...],
        outputs: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        """How the inputs of `blocks[0]` would reach `blocks[-1]` if all blocks passed them on unchanged.

        `outputs` are what `blocks[-1]` returned, for their shape. The same tensors, where nothing lies between blocks.
        """
        return inputs

    def token_frames(self, transformer: nn.Module, hidden_states: Tensor) -> int:
        """Frames of tokens that the transformer makes of its `hidden_states`, in whose order the tokens stand."""
        patch = getattr(transformer.config, "patch_size_t", None)
        return int(hidden_states.shape[self.latent_layout.index("F")]) // (patch or 1)

    @abstractmethod
    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """The attention and feed-forward modules of all blocks, in order."""

    @abstractmethod
    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """Where TeaCache's signal `kind` is read.

        Raises:
            ValueError: `kind` is not one of `signals`.
        """

    def time_embedding(self, transformer: nn.Module) -> nn.Module:
        """The diffusers `TimestepEmbedding` of the denoised video's timestep, called once a transformer call.

        It takes a sinusoid `(batch, frequencies)` of the timestep and yields a vector `(batch, width)` that modulates
        every block; what a distilled student is told beside the timestep is added to it.

        Raises:
            ValueError: the family has none, or none that is known; see `takes_conditions`.
        """
        raise ValueError(f"no time embedding of {self.name} is known, to which conditions of a student could be added")

    def guidance_embedder(self, transformer: nn.Module) -> nn.Module | None:
        """The `TimestepEmbedding` of the transformer's own argument `guidance`; None where it takes none."""
        return None

    def clean_latents(self, pipeline: Any, video: Tensor) -> Tensor:
        """What the transformer denoises to for a video `(1, 3, frames, height, width)` in [-1, 1]: normalised latents.

        Raises:
            ValueError: the autoencoder takes no video of this size, or see `untrainable`.
        """
        raise ValueError(f"family {self.name} cannot be trained: {self.untrainable}")

    def prompt_arguments(self, pipeline: Any, prompt: str, sampling: Sampling) -> dict[str, Tensor]:
        """The transformer's arguments beside latents and timestep, as the pipeline makes them for one prompt.

        Of `sampling` counts what is said to the transformer: `max_sequence_length`, an embedded `guidance_scale`.

        Raises:
            ValueError: see `untrainable`.
        """
        raise ValueError(f"family {self.name} cannot be trained: {self.untrainable}")

    @abstractmethod
    def scheduled(self, pipeline: Any, sampling: Sampling) -> AbstractContextManager[None]:
        """While entered, what the pipeline holds rather than is called with is as `sampling` asks for.

        That is the scheduler (`flow_shift`, `sigmas`), and the guider where there is one (`guidance_scale`).
        """

    def timesteps(self, pipeline: Any) -> tuple[float, ...]:
        """The scheduler's timesteps of the run in progress, first to last: as many as there are steps.

        Raises:
            ValueError: the solver calls the transformer more than once a step, which no method's schedule allows for.
        """
        scheduler = pipeline.scheduler
        if getattr(scheduler, "order", 1) != 1:
            raise ValueError(
                f"{type(scheduler).__name__} has order {scheduler.order}: it repeats timesteps; use a first-order or "
                "multistep scheduler"
            )
        return tuple(scheduler.timesteps.tolist())

    @abstractmethod
    def branch(self, context_name: str | None) -> Branch:
        """The guidance branch a diffusers cache context stands for."""
