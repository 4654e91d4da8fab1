"""The model as it is: what every other method is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks


@dataclass(frozen=True)
class Original(Method):
    """Unaccelerated sampling, the denominator of every speedup and the reference of every fidelity.

    Source: none; it is diffusers' own pipeline. Difference: a hook counts the transformer's calls, so that its
    decision trace reads like that of the others.
    """

    summary: ClassVar[str] = "every step computes the whole transformer"
    source: ClassVar[str] = "diffusers 0.42.1, the pipeline as published"

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """Itself."""
        return cls()

    @classmethod
    def conformance_active(cls, default: Sampling) -> None:
        """It never skips anything."""
        return None

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return AppliedHooks(pipeline, family, root_only=True).install()
