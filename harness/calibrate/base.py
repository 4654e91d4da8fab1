"""What a calibration is: a frozen set of options that measures the original and fits a method's fields to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.calibrate.calibration import Curve, rounded
from harness.seeds import seed_of
from methods.base import Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks
from methods.hooks.observed import attach_block_observer


@dataclass(frozen=True)
class Found:
    """What a calibration gives: fields of the method, and the curves that they were fitted to."""

    fields: dict[str, Any]
    curves: tuple[Curve, ...]


class Curves:
    """Collects measured values by name, branch, prompt and step, each once."""

    def __init__(self, num_prompts: int, num_steps: int) -> None:
        """Nothing is measured yet."""
        self._shape = (num_prompts, num_steps)
        self._values: dict[tuple[str, Any], list[list[float | None]]] = {}

    def add(self, name: str, branch: str, prompt_index: int, step_index: int, value: float) -> None:
        """Write one value down."""
        prompts, steps = self._shape
        table = self._values.setdefault((name, branch), [[None] * steps for _ in range(prompts)])
        table[prompt_index][step_index] = rounded(value)

    def finish(self) -> tuple[Curve, ...]:
        """All curves, by name."""
        return tuple(
            Curve(name=name, branch=branch, values=tuple(map(tuple, values)))
            for (name, branch), values in sorted(self._values.items())
        )

    def branches(self, name: str) -> tuple[str, ...]:
        """Branches that a quantity was measured on."""
        return tuple(branch for known, branch in sorted(self._values) if known == name)

    def of(self, name: str, branch: str) -> Sequence[Sequence[float | None]]:
        """`values[prompt][step_index]` of a quantity that was measured."""
        return self._values[name, branch]


class Recorder(AppliedHooks):
    """Watches the original without changing it, and writes down into `curves` what a method compares at run time."""

    def __init__(self, subject: Subject, curves: Curves) -> None:
        """Watch `subject`'s pipeline."""
        super().__init__(subject.pipeline, subject.family)
        self.curves = curves
        self.prompt_index = -1

    def watch_residual(self, receive: Callable[[Tensor], None]) -> None:
        """Hand to `receive` what the whole block stack adds to the video's tokens, once a call."""
        blocks = [block for depth in self.family.stack(self.transformer) for block in depth]
        attach_block_observer(self, blocks, receive)

    def note(self, name: str, value: float, branch: str | None = None, step_index: int | None = None) -> None:
        """Write down a value of the call in progress."""
        call = self.controller.call
        step = call.step_index if step_index is None else step_index
        self.curves.add(name, branch or call.branch, self.prompt_index, step, value)


@dataclass(frozen=True)
class Subject:
    """The original that is measured: a loaded pipeline, how it samples, and the prompts."""

    pipeline: Any
    family: Family
    sampling: Sampling
    prompts: tuple[str, ...]
    seed_protocol: str
    device: str

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seed of each prompt's video: that of its first sample in a suite."""
        return tuple(
            seed_of(self.seed_protocol, prompt_index=index, sample_index=0) for index in range(len(self.prompts))
        )

    def curves(self) -> Curves:
        """An empty collection of the right size."""
        return Curves(len(self.prompts), self.sampling.num_inference_steps)

    @torch.no_grad()
    def record(self, recorder: Recorder) -> None:
        """Sample one video after the other with a recorder in force."""
        with recorder.install(), self.family.scheduled(self.pipeline, self.sampling):
            for index, (prompt, seed) in enumerate(zip(self.prompts, self.seeds, strict=True)):
                recorder.reset()
                recorder.prompt_index = index
                arguments = self.family.call_arguments(prompt, self.sampling)
                generator = torch.Generator(self.device).manual_seed(seed)
                self.pipeline(**arguments, generator=generator, output_type="latent")


@dataclass(frozen=True)
class Calibrator(ABC):
    """One method's calibration. Subclasses are frozen dataclasses whose fields are options, kept in the file.

    A subclass lives in the file of this package that is named like the method.
    """

    default_prompts: ClassVar[int]
    """How many videos the method's authors used."""

    @abstractmethod
    def calibrate(self, subject: Subject) -> Found:
        """Measure the original and fit."""


def present(values: Sequence[Sequence[float | None]]) -> list[float]:
    """All values of a curve that exist, prompt by prompt."""
    return [value for steps in values for value in steps if value is not None]
