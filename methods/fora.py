"""FORA: attention and feed-forward outputs of a full step are reused in the steps that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.hooks.outermost import outermost

Schedule = Literal["ascending", "descending"]


@dataclass(frozen=True)
class Fora(Method):
    """Static caching of every block's attention and feed-forward outputs.

    Source: Selvaraju et al., "FORA: Fast-Forward Caching in Diffusion Transformer Acceleration", arXiv 2407.01425,
    section 3; repository prathebaselva/FORA@acde628. `cache_interval` is the paper's N.

    Every N-th step is full. In between, each block takes the outputs its attention and feed-forward modules had in
    the last full step, from before the gates, and weighs them with its current gates; embedders, modulation,
    residual additions and the output layer always run. Steps are full by `schedule`:

    * `ascending`: step s where s % N == 0, as in the comparison of DisCa (its 9 full steps of 50 for N = 6);
    * `descending`: the repository's: the index counts down from T - 1, and a step is full if it is the first or if
      its index divides by N; so the last step always is (18 full steps of 50 for N = 3).

    In single-stream blocks, where attention and feed-forward end in one projection, that projection's output is kept
    and what feeds it is passed over.

    Differences: each branch of classifier-free guidance has its own cache, where the repository's models batch
    both; cross-attention and single-stream blocks, which the paper's DiT lacks, are cached too.
    """

    cache_interval: int
    schedule: Schedule = "ascending"

    summary: ClassVar[str] = "attention and feed-forward outputs change slowly, so N - 1 of N steps reuse them"
    source: ClassVar[str] = "arXiv 2407.01425 section 3; prathebaselva/FORA@acde628"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.cache_interval < 1:
            raise ValueError(f"cache_interval is {self.cache_interval}; give at least 1 (1 computes every step)")
        if self.schedule not in get_args(Schedule):
            raise ValueError(f"schedule is {self.schedule!r}; give one of {', '.join(get_args(Schedule))}")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """Every step full."""
        return cls(cache_interval=1)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Every second step full."""
        return cls(cache_interval=2)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedFora(pipeline, family, self).install()


def is_full(step_index: int, num_steps: int, cache_interval: int, schedule: Schedule) -> bool:
    """Whether FORA computes everything at a step."""
    if schedule == "ascending":
        return step_index % cache_interval == 0
    return step_index == 0 or (num_steps - 1 - step_index) % cache_interval == 0


class _AppliedFora(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: Fora) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._reuse = False

    def attach_hooks(self) -> None:
        for cached in outermost(self.family.cached_modules(self.transformer)):
            self.attach_module_cache(cached.name, cached.module, self._asked)
            for feed in cached.feeds:
                self.attach_unneeded(feed, self._asked)

    def _asked(self) -> bool:
        return self._reuse

    def begin_call(self, call: Call) -> None:
        method = self._method
        self._reuse = not is_full(call.step_index, call.num_steps, method.cache_interval, method.schedule)
        if self._reuse:
            self.controller.decide("partial")
