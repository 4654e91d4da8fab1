"""Pyramid Attention Broadcast: attention outputs are handed on to later steps within a window of timesteps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Self

from methods.base import Applied, Branch, Method, Sampling
from methods.families.base import CachedModule, Family
from methods.hooks import AppliedHooks, Call

Broadcast = Literal["spatial", "temporal", "cross", "mlp"]
"""What a module is to this method; `temporal` is self-attention of a list of blocks whose name begins so."""


@dataclass(frozen=True)
class Pab(Method):
    """Attention outputs are recomputed once in `block_skip_range` steps inside a window of timesteps.

    Source: Zhao et al., "Real-Time Video Generation with Pyramid Attention Broadcast", arXiv 2408.12588, section 3;
    NUS-HPC-AI-Lab/VideoSys@4cce477; field names and the point of caching are those of diffusers 0.42.1
    (`hooks/pyramid_attention_broadcast.py`) and of MixCache's "PAB 8, (100, 800)".

    `block_skip_range` rules spatial (self-) attention. `temporal_attention_block_skip_range` rules self-attention in
    temporal blocks (Latte's), None giving it the range of the spatial ones. `cross_attention_block_skip_range` rules
    cross-attention, None computing it always, as diffusers does by default. A module is computed if it is its branch's
    first call, if its branch's count of calls divides by its range, if the step is one of the first `warm_up_steps`, or
    if the scheduler's timestep t is not inside the open interval lo < t < hi of `timestep_skip_range`. Timesteps are
    those after the scheduler's shift, so a shifted schedule has fewer steps inside.

    `mlp_broadcast_timesteps` are timesteps at which the feed-forward outputs of the blocks `mlp_broadcast_blocks`
    (indices in each list) are computed and handed on to the next `mlp_broadcast_steps` steps. A number in it stands
    for the step nearest to it, the earlier of two. VideoSys's defaults are, as spatial/temporal/cross, window,
    feed-forward: Latte 2/3/6, (100, 800), timesteps 720 640 560 480 400, blocks 0-4, 2 steps; CogVideoX 2/-/-, (100,
    850), none. DisCa's PAB prints no window: (-1, 1001) broadcasts everywhere. Its 10 full steps for N = 5 are this
    rule's; its 8 for N = 8 are one more than this rule has, and `warm_up_steps=2` is one way to spend it.

    Differences to diffusers: counters and caches are kept for each branch of classifier-free guidance. Diffusers
    keeps one of each for a module, so that on models which call the transformer per branch the unconditional branch
    is served the conditional one's attention and an even range never computes it (`pab_diffusers` runs that). Only the
    family's blocks are matched, not a text refiner whose name looks alike.
    Differences to VideoSys: outputs are cached before the gate, not after; t is not truncated to an integer; a listed
    timestep need not be one of the schedule's.
    """

    block_skip_range: int = 2
    timestep_skip_range: tuple[float, float] = (100, 800)
    cross_attention_block_skip_range: int | None = None
    temporal_attention_block_skip_range: int | None = None
    warm_up_steps: int = 0
    mlp_broadcast_timesteps: tuple[float, ...] = ()
    mlp_broadcast_blocks: tuple[int, ...] = (0, 1, 2, 3, 4)
    mlp_broadcast_steps: int = 2

    summary: ClassVar[str] = "mid-sampling attention hardly changes, so its output is broadcast to later steps"
    source: ClassVar[str] = "arXiv 2408.12588 section 3; NUS-HPC-AI-Lab/VideoSys@4cce477; diffusers 0.42.1"

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        for name in ("timestep_skip_range", "mlp_broadcast_timesteps", "mlp_broadcast_blocks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in (
            "block_skip_range",
            "cross_attention_block_skip_range",
            "temporal_attention_block_skip_range",
            "mlp_broadcast_steps",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1 (1 computes every step)")
        if self.warm_up_steps < 0:
            raise ValueError(f"warm_up_steps is {self.warm_up_steps}; give 0 or more")
        if len(self.timestep_skip_range) != 2 or self.timestep_skip_range[0] >= self.timestep_skip_range[1]:
            raise ValueError(f"timestep_skip_range is {self.timestep_skip_range}; give two timesteps, the lower first")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A range of one step."""
        return cls(block_skip_range=1, cross_attention_block_skip_range=1)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Every second or third step, at all timesteps."""
        return cls(
            block_skip_range=2,
            timestep_skip_range=(-1, 1001),
            cross_attention_block_skip_range=3,
            mlp_broadcast_timesteps=(1000,),
        )

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedPab(pipeline, family, self).install()

    def ranges(self) -> dict[Broadcast, int]:
        """The range of each kind of attention that is broadcast."""
        temporal = self.temporal_attention_block_skip_range
        ranges: dict[Broadcast, int] = {
            "spatial": self.block_skip_range,
            "temporal": self.block_skip_range if temporal is None else temporal,
        }
        if self.cross_attention_block_skip_range is not None:
            ranges["cross"] = self.cross_attention_block_skip_range
        return ranges

    def broadcast_of(self, cached: CachedModule) -> Broadcast | None:
        """What a module of a block is to this method; None if it is always computed."""
        kind: Broadcast | None = None
        if cached.kind == "self_attention":
            kind = "temporal" if cached.name.startswith("temporal") else "spatial"
        elif cached.kind == "cross_attention":
            kind = "cross"
        elif cached.kind == "feed_forward":
            block = int(cached.name.split(".")[1])
            return "mlp" if self.mlp_broadcast_timesteps and block in self.mlp_broadcast_blocks else None
        return kind if kind in self.ranges() else None


def is_computed(call_count: int, timestep: float, skip_range: int, window: tuple[float, float]) -> bool:
    """Whether a module runs at its branch's call number `call_count`, counted from 0, at scheduler time `timestep`."""
    return call_count % skip_range == 0 or not window[0] < timestep < window[1]


def mlp_reusing_steps(timesteps: Sequence[float], listed: Sequence[float], num_steps: int) -> frozenset[int]:
    """The steps that reuse feed-forward outputs: the `num_steps` after each that is nearest to a listed timestep.

    A step that is nearest to a listed timestep itself computes.
    """
    computed = {min(range(len(timesteps)), key=lambda step: abs(timesteps[step] - time)) for time in listed}
    reusing = {step + offset for step in computed for offset in range(1, num_steps + 1)}
    return frozenset(reusing & set(range(len(timesteps)))) - computed


class _AppliedPab(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: Pab) -> None:
        super().__init__(pipeline, family)
        self._pipeline = pipeline
        self._method = method
        self._ranges = method.ranges()
        self._attached_kinds: set[Broadcast] = set()
        self._counts: dict[Branch, int] = {}
        self._reused: set[Broadcast] = set()
        self._mlp_reusing: frozenset[int] = frozenset()

    def attach_hooks(self) -> None:
        for cached in self.family.cached_modules(self.transformer):
            kind = self._method.broadcast_of(cached)
            if kind is not None:
                self.attach_module_cache(cached.name, cached.module, partial(self._reuses, kind))
                self._attached_kinds.add(kind)

    def _reuses(self, kind: Broadcast) -> bool:
        return kind in self._reused

    def begin_call(self, call: Call) -> None:
        count = self._counts.get(call.branch, 0)
        if not self._counts and self._method.mlp_broadcast_timesteps:
            self._mlp_reusing = mlp_reusing_steps(
                self.family.timesteps(self._pipeline),
                self._method.mlp_broadcast_timesteps,
                self._method.mlp_broadcast_steps,
            )
        self._counts[call.branch] = count + 1
        window = self._method.timestep_skip_range
        self._reused = set()
        if call.step_index >= self._method.warm_up_steps:
            self._reused |= {
                kind for kind, skip in self._ranges.items() if not is_computed(count, call.timestep, skip, window)
            }
        if call.step_index in self._mlp_reusing:
            self._reused.add("mlp")
        self._reused &= self._attached_kinds
        if self._reused:
            self.controller.decide("partial")

    def clear(self) -> None:
        self._counts = {}
        self._reused = set()
        self._mlp_reusing = frozenset()
