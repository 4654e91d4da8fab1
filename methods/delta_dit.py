"""Delta-DiT: between full steps, what a run of blocks adds is taken from the last full step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from methods.base import Applied, Method, MethodError, NothingHookedError, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.hooks.switched import attach_switched_range

Side = Literal["back", "front"]

_SINGLE_STREAM = "single_transformer_blocks"


@dataclass(frozen=True)
class DeltaDit(Method):
    """One full step, then `cache_interval` - 1 steps in which a run of blocks is replaced by adding its last residual.

    Source: Chen et al., "Delta-DiT: A Training-Free Acceleration Method Tailored for Diffusion Transformers",
    arXiv 2406.01125, section 4; the setting of DisCa, arXiv 2602.05449, supplementary section 8.4.

    With default fields it is DisCa's: the blocks replaced are the 40 single-stream ones of HunyuanVideo, a cached step
    costs the 20 double-stream blocks, a third of a full one, and there is neither warm-up nor a switch of stages. Of
    50 steps 10 are full for N = 5 and 7 for N = 8.

    The original's has two fields more: `num_cached_blocks` (its N_c), and `stage_switch_step` (its b): in the first b
    steps the last N_c blocks are replaced, and after them the first N_c, as the last ones draw details and the first
    ones outlines. Its speedup of 1.6 on 28 blocks at N = 2 tells of N_c = 21; b is not known to us for certain.

    Differences: no code is published, so where the papers are silent: step s is full if s % N == 0; without
    `num_cached_blocks` a model with no single-stream blocks replaces the last two thirds of its stack, rounded; which
    side is replaced is decided at each full step for all steps until the next, so that a group of steps never uses a
    residual that its full step did not make; the residuals of all streams are kept, though the text's is not read
    where the stack's end is replaced.
    """

    cache_interval: int
    num_cached_blocks: int | None = None
    stage_switch_step: int | None = None

    summary: ClassVar[str] = "what a run of blocks adds changes slowly, so N - 1 of N steps take it from the last one"
    source: ClassVar[str] = "arXiv 2406.01125 section 4; arXiv 2602.05449 supplementary section 8.4"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.cache_interval < 1:
            raise ValueError(f"cache_interval is {self.cache_interval}; give at least 1 (1 computes every step)")
        if self.num_cached_blocks is not None and self.num_cached_blocks < 1:
            raise ValueError(f"num_cached_blocks is {self.num_cached_blocks}; give at least 1, or leave it out")
        if self.stage_switch_step is not None and self.stage_switch_step < 0:
            raise ValueError(f"stage_switch_step is {self.stage_switch_step}; give 0 or more, or leave it out")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """Every step full."""
        return cls(cache_interval=1)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Every second step full, two blocks replaced, the side switched in the middle."""
        return cls(cache_interval=2, num_cached_blocks=2, stage_switch_step=default.num_inference_steps // 2)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            MethodError: there are fewer blocks than `num_cached_blocks`.
        """
        return _AppliedDeltaDit(pipeline, family, self).install()


def is_full(step_index: int, cache_interval: int) -> bool:
    """Whether Delta-DiT computes all blocks at a step."""
    return step_index % cache_interval == 0


def cached_side(step_index: int, cache_interval: int, stage_switch_step: int | None) -> Side:
    """Which end of the stack the group of steps that holds this one replaces."""
    first = step_index - step_index % cache_interval
    return "back" if stage_switch_step is None or first < stage_switch_step else "front"


def default_cached_blocks(num_blocks: int, num_single_stream: int) -> int:
    """How many blocks are replaced where the configuration does not say."""
    return num_single_stream or max(1, round(2 * num_blocks / 3))


class _AppliedDeltaDit(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: DeltaDit) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._reuse = False
        self._side: Side = "back"
        self._whole_stack = False

    def attach_hooks(self) -> None:
        name, stack = type(self.transformer).__name__, self.family.stack(self.transformer)
        if not stack:
            raise NothingHookedError(f"{name} has no blocks")
        single = dict(self.family.block_lists(self.transformer)).get(_SINGLE_STREAM, ())
        count = self._method.num_cached_blocks or default_cached_blocks(len(stack), len(single))
        if count > len(stack):
            raise MethodError(f"num_cached_blocks is {count}; {name} has {len(stack)} blocks, give at most so many")
        self._whole_stack = count == len(stack)
        back = [module for block in stack[-count:] for module in block]
        if self._method.stage_switch_step is None:
            self.attach_block_range(back, lambda: self._reuse)
            return
        front = [module for block in stack[:count] for module in block]
        attach_switched_range(self, "back", back, lambda: self._reuse, lambda: self._side == "back")
        attach_switched_range(self, "front", front, lambda: self._reuse, lambda: self._side == "front")

    def begin_call(self, call: Call) -> None:
        interval = self._method.cache_interval
        self._reuse = not is_full(call.step_index, interval)
        self._side = cached_side(call.step_index, interval, self._method.stage_switch_step)
        if self._reuse:
            self.controller.decide("reuse" if self._whole_stack else "partial", level=self._side)
