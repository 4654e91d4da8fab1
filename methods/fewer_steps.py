"""The plainest acceleration: sample with fewer steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks


@dataclass(frozen=True)
class FewerSteps(Method):
    """The original with `num_inference_steps` denoising steps in place of the suite's.

    Source: the "x % steps" rows that TeaCache (arXiv 2411.19108), MixCache and DisCa print as their baseline; the
    scheduler is diffusers' own and its timesteps are spread anew over the fewer steps.
    Difference: none.
    """

    num_inference_steps: int

    summary: ClassVar[str] = "the same solver with larger steps"
    source: ClassVar[str] = "diffusers 0.42.1, num_inference_steps of the pipeline's call"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.num_inference_steps < 1:
            raise ValueError(f"num_inference_steps is {self.num_inference_steps}; give at least 1")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """As many steps as the original."""
        return cls(num_inference_steps=default.num_inference_steps)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Half of them."""
        return cls(num_inference_steps=max(1, default.num_inference_steps // 2))

    def sampling(self, default: Sampling) -> Sampling:
        """`default` with this number of steps."""
        return replace(default, num_inference_steps=self.num_inference_steps)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return AppliedHooks(pipeline, family, root_only=True).install()
