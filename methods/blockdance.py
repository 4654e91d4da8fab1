"""BlockDance: late in sampling, steps start in the middle of the stack from what an earlier step had there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from methods.base import Applied, Method, MethodError, NothingHookedError, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call

STACK = "stack"


@dataclass(frozen=True)
class BlockDance(Method):
    """In groups of steps the first one is full, and the others reuse what a block in the middle returned in it.

    Source: Zhang et al., "BlockDance: Reuse Structurally Similar Spatio-Temporal Features to Accelerate Diffusion
    Transformers", arXiv 2503.15927, in the setting of MixCache, arXiv 2508.12691, section 4.1 (block 20, first 40 % of
    the steps full, groups of N).

    The first `warmup_ratio` of the steps is full. The rest is cut into groups of `group_size` steps, the last one
    maybe shorter; the first step of a group is full and keeps what block `block_index` returned, in all streams (video
    and text) and for each branch of classifier-free guidance. The others begin with the next block, at the current
    timestep. 50 steps in groups of 4 are 28 full ones and 22 that reuse.

    `block_index` counts from 0 along `index_in`: `stack` is all blocks in the order in which they run, anything else
    the name of one of the transformer's block lists. On HunyuanVideo MixCache's 1.39x is met by skipping about 40 of
    60 blocks (1.41x) and not by 21 (1.18x), so their 20 seems to count `single_transformer_blocks`.

    Differences: the policy of BlockDance-Ada, learned by reinforcement, is not included; neither is the paper's own
    end of the reuse window, which MixCache's setting lacks.
    """

    group_size: int = 4
    block_index: int = 20
    warmup_ratio: float = 0.4
    index_in: str = STACK

    summary: ClassVar[str] = "early blocks draw the structure, which is settled late in sampling, so they are reused"
    source: ClassVar[str] = "arXiv 2503.15927; arXiv 2508.12691 section 4.1"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.group_size < 1:
            raise ValueError(f"group_size is {self.group_size}; give at least 1 (1 computes every step)")
        if self.block_index < 0:
            raise ValueError(f"block_index is {self.block_index}; give 0 for the first block, or more")
        if not 0 <= self.warmup_ratio <= 1:
            raise ValueError(f"warmup_ratio is {self.warmup_ratio}; give a share of the steps from 0 to 1")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """Groups of one step."""
        return cls(group_size=1, block_index=0)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """The two first blocks, without warm-up."""
        return cls(group_size=3, block_index=1, warmup_ratio=0.0)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            MethodError: there is no such block or block list, or no block after it.
        """
        return _AppliedBlockDance(pipeline, family, self).install()


def is_full(step_index: int, num_steps: int, group_size: int, warmup_ratio: float) -> bool:
    """Whether BlockDance computes all blocks at a step. A part of a step does not count as warm-up."""
    warmup = int(round(warmup_ratio * num_steps, 6))
    return step_index < warmup or (step_index - warmup) % group_size == 0


class _AppliedBlockDance(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: BlockDance) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._reuse = False

    def attach_hooks(self) -> None:
        blocks = [module for block in self._skipped_blocks() for module in block]
        self.attach_block_range(blocks, lambda: self._reuse, keep="output")

    def begin_call(self, call: Call) -> None:
        method = self._method
        self._reuse = not is_full(call.step_index, call.num_steps, method.group_size, method.warmup_ratio)
        if self._reuse:
            self.controller.decide("partial")

    def _skipped_blocks(self) -> tuple[tuple[Any, ...], ...]:
        method, name = self._method, type(self.transformer).__name__
        stack = self.family.stack(self.transformer)
        if not stack:
            raise NothingHookedError(f"{name} has no blocks")
        # A position in a list is one in the stack too, where lists follow or alternate with one another.
        lists = {
            list_name: [next(i for i, block in enumerate(stack) if module in block) for module in modules]
            for list_name, modules in self.family.block_lists(self.transformer)
        }
        if method.index_in != STACK and method.index_in not in lists:
            raise MethodError(f"index_in is {method.index_in!r}; {name} has {', '.join((STACK, *lists))}")
        positions = list(range(len(stack))) if method.index_in == STACK else lists[method.index_in]
        allowed = [position for position in positions if position < len(stack) - 1]
        if method.block_index >= len(allowed):
            raise MethodError(
                f"block_index is {method.block_index}; {method.index_in} of {name} has {len(positions)} blocks, "
                f"of which at least the stack's last must run: give 0 to {len(allowed) - 1}"
            )
        return stack[: positions[method.block_index] + 1]
