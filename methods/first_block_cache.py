"""First Block Cache: what the first block adds says whether the other blocks may be skipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks
from methods.hooks.observed import attach_block_observer


@dataclass(frozen=True)
class FirstBlockCache(Method):
    """Skips all blocks but the first while what the first one adds stays close to what it added at the last full step.

    Source: diffusers 0.42.1, `hooks/first_block_cache.py` (`FirstBlockCacheConfig`), after ParaAttention
    (chengzeyi/ParaAttention@7a26612).

    With r what block 0 adds to the video's tokens and r_ref its value at the last full step, a step is full if
    mean|r - r_ref| / mean|r_ref| > `threshold`. Otherwise the other blocks are replaced by adding, in each stream, what
    they added at that full step. The first step is full; there is no other warm-up and no limit to a run of skips.
    Families that batch both branches of classifier-free guidance decide once for both, others for each branch.

    Differences: `threshold = 0` never skips, where diffusers does if the first block adds exactly the same; block 0 of
    Latte is a spatial and a temporal block; every family is supported, where diffusers' refuses HunyuanVideo 1.5's
    blocks and needs a cache context, which Latte's and DiT's pipelines never enter. For equal thresholds the videos
    are diffusers' bit for bit.
    """

    threshold: float = 0.05

    summary: ClassVar[str] = "the first block's change predicts that of the others, so small ones skip them"
    source: ClassVar[str] = "diffusers 0.42.1, hooks/first_block_cache.py; chengzeyi/ParaAttention@7a26612"
    adaptive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.threshold < 0:
            raise ValueError(f"threshold is {self.threshold}; give 0 (never skip) or more")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A threshold of zero."""
        return cls(threshold=0.0)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """A threshold nothing exceeds: only the first step is full."""
        return cls(threshold=1e6)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedFirstBlockCache(pipeline, family, self).install()


def is_full(change: float, threshold: float) -> bool:
    """Whether the other blocks run after the first one's output has changed by this, relatively."""
    return threshold == 0 or change > threshold


class _AppliedFirstBlockCache(AppliedHooks):
    """Needs no `clear`: `reset` empties the store, and a branch with nothing stored starts anew."""

    def __init__(self, pipeline: Any, family: Family, method: FirstBlockCache) -> None:
        super().__init__(pipeline, family)
        self._threshold = method.threshold
        self._skip = False

    def attach_hooks(self) -> None:
        stack = self.family.stack(self.transformer)
        self.attach_block_range([module for block in stack[1:] for module in block], lambda: self._skip)
        attach_block_observer(self, stack[0], self._receive)

    def _receive(self, residual: Tensor) -> None:
        told, key = self.told(), ("first block", self.controller.call.branch)
        if told is not None:
            full, change = told.action == "compute", told.distance
        elif key not in self.store:
            full, change = True, None
        else:
            reference = self.store.get(key)
            change = self.ratio((residual - reference).abs().mean(), reference.abs().mean()).item()
            full = is_full(change, self._threshold)
        self._skip = not full
        self.controller.decide("compute" if full else "partial", change)
        if full:
            self.store.put(key, residual)
