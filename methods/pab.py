"""Pyramid Attention Broadcast: attention outputs are handed on to later steps within a window of timesteps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

from methods.base import Applied, Branch, Method, Sampling
from methods.families.base import Family, ModuleKind
from methods.hooks import AppliedHooks, Call


@dataclass(frozen=True)
class Pab(Method):
    """Attention outputs are recomputed once in `block_skip_range` steps inside a window of timesteps.

    Source: Zhao et al., "Real-Time Video Generation with Pyramid Attention Broadcast", arXiv 2408.12588, section 3;
    NUS-HPC-AI-Lab/VideoSys@4cce477; field names and the point of caching are those of diffusers 0.42.1
    (`hooks/pyramid_attention_broadcast.py`) and of MixCache's "PAB 8, (100, 800)".

    `block_skip_range` rules spatial (self-) attention. `cross_attention_block_skip_range` rules cross-attention,
    None computing it always, as diffusers does by default. A module is computed if it is its branch's first call, if
    its branch's count of calls divides by its range, or if the scheduler's timestep t is not inside the open interval
    lo < t < hi of `timestep_skip_range`. Timesteps are those after the scheduler's shift, so a shifted schedule has
    fewer steps inside.

    Differences to diffusers: counters and caches are kept for each branch of classifier-free guidance. Diffusers
    keeps one of each for a module, so that on models which call the transformer per branch the unconditional branch
    is served the conditional one's attention and an even range never computes it. Only the family's blocks are
    matched, not a text refiner whose name looks alike.
    Differences to VideoSys: outputs are cached before the gate, not after; t is not truncated to an integer; feed-
    forward outputs are not broadcast.
    """

    block_skip_range: int = 2
    timestep_skip_range: tuple[float, float] = (100, 800)
    cross_attention_block_skip_range: int | None = None

    summary: ClassVar[str] = "mid-sampling attention hardly changes, so its output is broadcast to later steps"
    source: ClassVar[str] = "arXiv 2408.12588 section 3; NUS-HPC-AI-Lab/VideoSys@4cce477; diffusers 0.42.1"

    def __post_init__(self) -> None:
        """Make a tuple of what YAML reads as a list; refuse impossible values."""
        object.__setattr__(self, "timestep_skip_range", tuple(self.timestep_skip_range))
        for name in ("block_skip_range", "cross_attention_block_skip_range"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; give at least 1 (1 computes every step)")
        if len(self.timestep_skip_range) != 2 or self.timestep_skip_range[0] >= self.timestep_skip_range[1]:
            raise ValueError(f"timestep_skip_range is {self.timestep_skip_range}; give two timesteps, the lower first")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A range of one step."""
        return cls(block_skip_range=1, cross_attention_block_skip_range=1)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Every second step, at all timesteps."""
        return cls(block_skip_range=2, timestep_skip_range=(-1, 1001), cross_attention_block_skip_range=3)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedPab(pipeline, family, self).install()

    def ranges(self) -> dict[ModuleKind, int]:
        """The range of each kind of module that is broadcast."""
        ranges: dict[ModuleKind, int] = {"self_attention": self.block_skip_range}
        if self.cross_attention_block_skip_range is not None:
            ranges["cross_attention"] = self.cross_attention_block_skip_range
        return ranges


def is_computed(call_count: int, timestep: float, skip_range: int, window: tuple[float, float]) -> bool:
    """Whether a module runs at its branch's call number `call_count`, counted from 0, at scheduler time `timestep`."""
    return call_count % skip_range == 0 or not window[0] < timestep < window[1]


class _AppliedPab(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: Pab) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._ranges = method.ranges()
        self._counts: dict[Branch, int] = {}
        self._reused: set[ModuleKind] = set()

    def attach_hooks(self) -> None:
        for cached in self.family.cached_modules(self.transformer):
            if cached.kind in self._ranges:
                self.attach_module_cache(cached.name, cached.module, partial(self._reuses, cached.kind))

    def _reuses(self, kind: ModuleKind) -> bool:
        return kind in self._reused

    def begin_call(self, call: Call) -> None:
        count = self._counts.get(call.branch, 0)
        self._counts[call.branch] = count + 1
        window = self._method.timestep_skip_range
        self._reused = {
            kind for kind, skip in self._ranges.items() if not is_computed(count, call.timestep, skip, window)
        }
        if self._reused:
            self.controller.decide("partial")

    def clear(self) -> None:
        self._counts = {}
        self._reused = set()
