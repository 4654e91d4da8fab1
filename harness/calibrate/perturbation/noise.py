"""Normal noise of the size of a caching error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Noise:
    """A normal distribution."""

    mean: float
    deviation: float

    def like(self, value: Tensor, generator: torch.Generator) -> Tensor:
        """A sample in `value`'s shape, float32, on its device; `generator` is on the CPU, so that devices agree."""
        drawn = torch.randn(value.shape, generator=generator, dtype=torch.float32)
        return (drawn * self.deviation + self.mean).to(value.device)
