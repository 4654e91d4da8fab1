"""Over how many devices one video is spread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parallel:
    """Degrees of diffusers' context parallelism; `ulysses * ring` ranks hold the whole model and share the tokens."""

    ulysses: int = 1
    ring: int = 1

    @property
    def ranks(self) -> int:
        """Processes that make one video, a device each."""
        return self.ulysses * self.ring

    def __str__(self) -> str:
        """For people: `ulysses 4 x ring 2`."""
        said = [f"{name} {degree}" for name, degree in (("ulysses", self.ulysses), ("ring", self.ring)) if degree > 1]
        return " x ".join(said) or "one device"
