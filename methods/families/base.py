"""What a family is: everything that is known about one diffusers architecture and about no other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from methods.base import Branch, Sampling

Guidance = Literal["sequential", "batched", "embedded"]
"""`sequential`: one transformer call per branch. `batched`: both in one call. `embedded`: a single call."""

ModuleKind = Literal["self_attention", "cross_attention", "feed_forward"]


@dataclass(frozen=True, slots=True)
class CachedModule:
    """A child of a block whose output a method may keep: its dotted name below the transformer, and its kind."""

    name: str
    module: nn.Module
    kind: ModuleKind


@dataclass(frozen=True, slots=True)
class Signal:
    """Where a tensor that steers a method is read, once per transformer call and before the first block has run.

    `at="output"`: from what `module` returned, as `read(output)`. `at="input"`: from what `module` is about to be
    called with, as `read(args, kwargs)`.
    """

    module: nn.Module
    at: Literal["input", "output"]
    read: Callable[..., Tensor]


class Family(ABC):
    """One architecture. Stateless; discovered by the name of its file."""

    name: ClassVar[str]
    pipeline_class: ClassVar[str]
    """Name of the class in diffusers."""
    guidance: ClassVar[Guidance]
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
    def tiny(self, seed: int) -> Any:
        """A small randomly initialised pipeline of the same diffusers classes; downloads nothing."""

    @abstractmethod
    def tiny_sampling(self) -> Sampling:
        """A few steps at the smallest size the architecture takes, for `tiny`."""

    @abstractmethod
    def call_arguments(self, prompt: str, sampling: Sampling) -> dict[str, Any]:
        """Arguments of the pipeline's `__call__` for one video, all but generator, callback and output type."""

    def transformer(self, pipeline: Any) -> nn.Module:
        """The denoiser."""
        transformer: nn.Module = pipeline.transformer
        return transformer

    @abstractmethod
    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """The lists of blocks with their attribute names, in the order in which they run."""

    @abstractmethod
    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """The attention and feed-forward modules of all blocks, in order."""

    @abstractmethod
    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """Where TeaCache's signal `kind` is read.

        Raises:
            ValueError: `kind` is not one of `signals`.
        """

    @abstractmethod
    def scheduled(self, pipeline: Any, sampling: Sampling) -> AbstractContextManager[None]:
        """While entered, the pipeline's scheduler is the one `sampling` asks for (`flow_shift`)."""

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
