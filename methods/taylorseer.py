"""TaylorSeer: outputs of attention and feed-forward are extrapolated from the last full steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

import torch

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.hooks.outermost import outermost
from methods.hooks.taylor import TaylorExpansion, TaylorModuleHook, TaylorSeries

Schedule = Literal["official", "diffusers"]
FactorsDtype = Literal["float32", "bfloat16"]
Target = Literal["modules", "output"]


@dataclass(frozen=True)
class TaylorSeer(Method):
    """Taylor expansion in the step index of every block's attention and feed-forward outputs.

    Source: Liu et al., "From Reusing to Forecasting: Accelerating Diffusion Models with TaylorSeers", arXiv 2503.06923;
    repository Shenyi-Z/TaylorSeer@288776d. Field names are those of `TaylorSeerCacheConfig` (diffusers 0.42.1);
    `cache_interval` is the paper's N, `max_order` its O, `disable_cache_before_step` is W, the steps of warm-up.

    A full step computes everything and renews, for each output, its nested differences: difference 0 is the output,
    difference i + 1 is how much difference i has changed since the full step before, divided by the number of steps in
    between, up to `max_order`. In other steps an output is the sum of difference i times k^i / i!, k steps after the
    last full one. Outputs are taken from before their gates; embedders, modulation, residual additions and the output
    layer always run. In single-stream blocks the fused projection is extrapolated, and what feeds it is passed over.
    Full steps depend on the step index alone, so both branches of classifier-free guidance share them.

    * `schedule="official"`: the repository's. The first W steps are full, then each N-th after the last of them: of 50
      steps, W = 3, N = 6 has 10. Differences are formed from step W - 1 on, so that an order of 2 or more is reached
      later than it could be.
    * `schedule="diffusers"`: the first W steps, and steps s with (s - W - 1) % N == 0: 11 for the same numbers, with
      only one step between the warm-up and the next full step. Differences are formed from the second step on. DisCa's
      11 full steps (Table 7) fit this one, or `official` with W = 4.

    `taylor_factors_dtype` is what differences are kept and summed in: None leaves the model's own type, as the
    repository does, where small differences of bfloat16 outputs are lost; `float32` keeps them at twice the memory.
    `target="output"` extrapolates the transformer's output alone and skips the whole call, like the lite mode of
    diffusers: far less memory.

    Differences to the repository: an attention output that only the fused projection reads is not kept. Differences to
    diffusers: all modules of the families' blocks are hooked, where its default patterns match none on Wan, CogVideoX,
    DiT and Latte and only the attention elsewhere; the lite mode passes over the embedders as well, whose work is not
    needed, and works on DiT.
    """

    cache_interval: int = 5
    max_order: int = 1
    disable_cache_before_step: int = 3
    schedule: Schedule = "official"
    taylor_factors_dtype: FactorsDtype | None = None
    target: Target = "modules"

    summary: ClassVar[str] = "outputs move smoothly, so a Taylor expansion foretells them between full steps"
    source: ClassVar[str] = "arXiv 2503.06923; Shenyi-Z/TaylorSeer@288776d; diffusers 0.42.1"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.cache_interval < 1:
            raise ValueError(f"cache_interval is {self.cache_interval}; give at least 1 (1 computes every step)")
        if self.max_order < 0:
            raise ValueError(f"max_order is {self.max_order}; give 0 (reuse), 1, 2 or more")
        if self.disable_cache_before_step < 1:
            raise ValueError(
                f"disable_cache_before_step is {self.disable_cache_before_step}; give at least 1, since the first step "
                "has nothing to be extrapolated from"
            )
        for name, allowed in (("schedule", Schedule), ("target", Target)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give one of {', '.join(get_args(allowed))}")
        if self.taylor_factors_dtype is not None and self.taylor_factors_dtype not in get_args(FactorsDtype):
            raise ValueError(
                f"taylor_factors_dtype is {self.taylor_factors_dtype!r}; give one of "
                f"{', '.join(get_args(FactorsDtype))}, or leave it out for the model's own"
            )

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """Every step full."""
        return cls(cache_interval=1)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """One step of warm-up, then every third step full, to second order."""
        return cls(cache_interval=3, max_order=2, disable_cache_before_step=1)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedTaylorSeer(pipeline, family, self).install()

    def expansion(self) -> TaylorExpansion:
        """How outputs are remembered."""
        name = self.taylor_factors_dtype
        return TaylorExpansion(self.max_order, getattr(torch, name) if name is not None else None)


def is_full(step_index: int, warm_up: int, cache_interval: int, schedule: Schedule) -> bool:
    """Whether TaylorSeer computes everything at a step; `warm_up` is `disable_cache_before_step`."""
    counted_from = warm_up - 1 if schedule == "official" else warm_up + 1
    return step_index < warm_up or (step_index - counted_from) % cache_interval == 0


class _AppliedTaylorSeer(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: TaylorSeer) -> None:
        super().__init__(pipeline, family, root_only=method.target == "output")
        self._method = method
        self._predicts = False
        self._output = self._series("output")
        self._output_type: Callable[..., Any] = tuple

    def attach_hooks(self) -> None:
        if self._method.target == "output":
            return
        for cached in outermost(self.family.cached_modules(self.transformer)):
            hook = TaylorModuleHook(self._series(cached.name), self._asked)
            self._attach(cached.module, hook)
            for feed in cached.feeds:
                self.attach_unneeded(feed, self._asked)

    def begin_call(self, call: Call) -> None:
        method = self._method
        self._predicts = not is_full(
            call.step_index, method.disable_cache_before_step, method.cache_interval, method.schedule
        )
        if self._predicts:
            self.controller.decide("partial" if method.target == "modules" else "predict")

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._method.target == "modules":
            return forward(*args, **kwargs)
        if self._predicts:
            sample = self._output.predict()
            return (sample,) if self._output_type is tuple else self._output_type(sample=sample)
        self._output.prepare()
        output = forward(*args, **kwargs)
        self._output.remember(output[0])
        self._output_type = type(output)
        return output

    def _series(self, name: str) -> TaylorSeries:
        return TaylorSeries(name, self._method.expansion(), self._differs, self.controller, self.store)

    def _asked(self) -> bool:
        return self._predicts

    def _differs(self) -> bool:
        # The repository forms no differences before the last step of the warm-up; diffusers always does.
        method, step = self._method, self.controller.call.step_index
        return method.schedule == "diffusers" or step >= method.disable_cache_before_step - 1
