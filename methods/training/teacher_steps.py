"""A teacher's Euler steps as consistency distillation walks them: noise levels by index, and phases of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from methods.training.flow import per_sample

_TRAIN_TIMESTEPS = 1000
"""The last step ends at the lowest of so many noise levels, not at 0; Vchitect/DCM@e7e6cac, `EulerSolver`."""


@dataclass(frozen=True, slots=True)
class TeacherSteps:
    """Step i, 0 being that of least noise, begins at `begins[i]` and ends at `ends[i]`; both `(steps,)`."""

    begins: Tensor
    ends: Tensor

    @classmethod
    def of(cls, num_steps: int, flow_shift: float) -> Self:
        """`num_steps` even steps under a shift."""
        begins = shifted_level(torch.arange(1, num_steps + 1) / num_steps, flow_shift)
        lowest = shifted_level(torch.tensor([1 / _TRAIN_TIMESTEPS]), flow_shift)
        return cls(begins, torch.cat((lowest, begins[:-1])))


@dataclass(frozen=True, slots=True)
class Phases:
    """The indices from `first` to before `last` in `count` parts, within each of which an expert is consistent."""

    first: int
    last: int
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse what holds no steps."""
        if not 0 <= self.first < self.last or not 1 <= self.count <= self.last - self.first:
            raise ValueError(f"{self.count} phases of steps {self.first} to {self.last - 1}; give each at least one")

    def draw(self, batch: int, generator: torch.Generator) -> Tensor:
        """Indices `(batch,)`, uniform."""
        return torch.randint(self.first, self.last, (batch,), generator=generator)

    def boundary(self, index: Tensor) -> Tensor:
        """The least index of the phase that each index is in: its step ends where all of them are to arrive."""
        size = self.last - self.first
        begins = torch.tensor([self.first + size * phase // self.count for phase in range(self.count)])
        return begins[torch.searchsorted(begins, index, right=True) - 1]


def shifted_level(level: Tensor, flow_shift: float) -> Tensor:
    """The noise level in [0, 1] that a schedule of this shift has in the place of `level`."""
    return flow_shift * level / (1 + (flow_shift - 1) * level)


def moved(latents: Tensor, velocity: Tensor, begin: Tensor, end: Tensor) -> Tensor:
    """The Euler step from noise level `begin` to `end`, each `(batch,)`."""
    return latents + per_sample(end - begin, latents) * velocity
