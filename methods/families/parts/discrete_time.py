"""What families share whose diffusion has discrete timesteps and no shift, and whose guidance is one batched call."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from torch import nn

from methods.base import Branch, Sampling
from methods.families.base import CachedModule, Family, Guidance, ModuleKind


class DiscreteTimeFamily(Family):
    """DDPM-like: betas over 1000 timesteps, of which a scheduler visits some; both branches go through one call."""

    guidance: ClassVar[Guidance] = "batched"
    untrainable: ClassVar[str | None] = "its noise schedule is not the flow matching that the trainings are for"
    cache_context: ClassVar[str | None] = None
    """The diffusers cache context that the pipeline enters around the call; None where it enters none."""
    module_kinds: ClassVar[tuple[tuple[str, ModuleKind], ...]]
    """Attention and feed-forward children of a block in order; a block may lack some."""

    def timesteps(self, pipeline: Any) -> tuple[float, ...]:
        """See `Family.timesteps`. Beside order 2, it refuses PNDM, of order 1, which repeats a timestep too."""
        timesteps = super().timesteps(pipeline)
        if len(set(timesteps)) < len(timesteps):
            raise ValueError(
                f"{type(pipeline.scheduler).__name__} visits {len(timesteps)} timesteps, {len(set(timesteps))} of them "
                "different: it repeats some; use a first-order or multistep scheduler"
            )
        return timesteps

    @contextmanager
    def scheduled(self, pipeline: Any, sampling: Sampling) -> Iterator[None]:
        """See `Family.scheduled`: nothing is to be changed.

        Raises:
            ValueError: a shift or sigmas are asked for.
        """
        for field in ("flow_shift", "sigmas"):
            if getattr(sampling, field) is not None:
                name = type(pipeline.scheduler).__name__
                raise ValueError(f"{field} is {getattr(sampling, field)}; {name} has none, so leave it out")
        yield

    def branch(self, context_name: str | None) -> Branch:
        """See `Family.branch`."""
        if context_name != self.cache_context:
            raise ValueError(f"cache context is {context_name!r}; {self.pipeline_class} enters {self.cache_context!r}")
        return "both"

    def batch_size(self, sampling: Sampling) -> int:
        """How many samples one call holds: two where there is guidance."""
        return 2 if sampling.guidance_scale > 1 else 1

    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """See `Family.cached_modules`."""
        names = {
            block: f"{name}.{i}" for name, blocks in self.block_lists(transformer) for i, block in enumerate(blocks)
        }
        return [
            CachedModule(f"{names[block]}.{name}", block.get_submodule(name), kind)
            for depth in self.stack(transformer)
            for block in depth
            for name, kind in self.module_kinds
            if getattr(block, name, None) is not None
        ]


def block_list(transformer: nn.Module, name: str) -> tuple[str, nn.ModuleList]:
    """A list of blocks with its name."""
    blocks = transformer.get_submodule(name)
    assert isinstance(blocks, nn.ModuleList)
    return name, blocks


def block_arguments(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What a block is called with, by name, however it is passed; defaults are left out."""
    return inspect.signature(type(block).forward).bind(block, *args, **kwargs).arguments
