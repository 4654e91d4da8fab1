"""A student in force on a pipeline: its weights in the transformer, its conditions in the time embedding."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from methods.base import MethodError
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.students.conditioning import (
    TIMESTEPS,
    Conditioning,
    ConditioningConfig,
    Conditions,
    attach,
    native_guidance,
)
from methods.students.rung import Rung, RungError, check_prefixes, load_strictly, read_card, read_tensors, under
from methods.students.student import CONDITIONING, TRANSFORMER, conditioning_of
from methods.students.weights import ReplacedWeights

_EULER = "FlowMatchEulerDiscreteScheduler"
NOWHERE_TO_TELL = "where a distilled student would be told guidance and time is not known for this architecture"
"""Why a family that does not take conditions cannot run a student."""


@dataclass(frozen=True, slots=True)
class StudentSource:
    """Which rung is put in force: its folder, the kinds that are accepted, and the guidance scale it is told."""

    folder: Path
    kinds: Collection[str]
    guidance_scale: float


class AppliedStudent(AppliedHooks):
    """Runs a rung in place of the pipeline's own transformer, one call a step.

    Each call is told the guidance scale g and r, the time at which its step ends: the scheduler's next timestep over
    1000, and 0 in the last step. On the meta device weights are not read, only `rung.json`, so that a row can be
    priced without them.
    """

    def __init__(self, pipeline: Any, family: Family, source: StudentSource, *, root_only: bool = True) -> None:
        """See the class; a subclass that hooks blocks besides gives `root_only=False`."""
        super().__init__(pipeline, family, root_only=root_only)
        self._pipeline, self._source = pipeline, source
        self._weights = ReplacedWeights()
        self._handle: RemovableHandle | None = None
        self._config = ConditioningConfig()
        self._conditions = Conditions()
        self._ends: Tensor | None = None

    def attach_hooks(self) -> None:
        """Replace the weights and add the conditions. A subclass calls this first."""
        folder = self._source.folder
        rung = read_card(folder, kinds=self._source.kinds, family=self.family.name)
        self._config = conditioning_of(rung)
        self._check(rung)
        time_embedding = self.family.time_embedding(self.transformer)
        conditioning = Conditioning(self._config, time_embedding).requires_grad_(False).eval()
        if self._device.type != "meta":
            tensors = read_tensors(folder, rung)
            check_prefixes(tensors, (TRANSFORMER, CONDITIONING), folder)
            load_strictly(conditioning, under(tensors, CONDITIONING), folder)
            self._weights.replace(self.transformer, under(tensors, TRANSFORMER), folder)
        self._handle = attach(conditioning, time_embedding, lambda: self._conditions)

    def begin_call(self, call: Call) -> None:
        """Tell g, t and r. A subclass calls this first."""
        if self._ends is None:
            times = self.family.timesteps(self._pipeline)
            self._ends = torch.tensor([*times[1:], 0.0], dtype=torch.float32, device=self._device) / TIMESTEPS
        step = call.step_index
        self._conditions = Conditions(
            guidance=torch.full((1,), self._source.guidance_scale, device=self._device),
            t=torch.full((1,), call.timestep / TIMESTEPS, device=self._device),
            r=self._ends[step : step + 1],
        )

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Give a transformer that embeds the guidance itself the scale as its argument."""
        if self._config.guidance == "native":
            given = kwargs.get("guidance")
            if not isinstance(given, Tensor):
                raise MethodError("the pipeline calls its transformer without guidance as a keyword; it cannot be told")
            assert self._conditions.guidance is not None
            kwargs = {**kwargs, "guidance": native_guidance(self._conditions.guidance, given.shape[0])}
        return forward(*args, **kwargs)

    def clear(self) -> None:
        """See `AppliedHooks.clear`."""
        self._ends = None

    @property
    def _device(self) -> torch.device:
        return next(self.transformer.parameters()).device

    def _check(self, rung: Rung) -> None:
        if self._config.second_time != "none":
            scheduler = self._pipeline.scheduler
            if type(scheduler).__name__ != _EULER or scheduler.config.get("stochastic_sampling"):
                raise MethodError(
                    f"the scheduler is {type(scheduler).__name__}; a {rung.kind} predicts whole steps of the plain "
                    f"Euler solver, so load the pipeline with a {_EULER} without stochastic_sampling"
                )
        guidance_range = rung.config.get("guidance_range")
        if self._config.guidance == "none" or guidance_range is None:
            return
        low, high = guidance_range
        if not low <= self._source.guidance_scale <= high:
            raise RungError(
                f"guidance_scale is {self._source.guidance_scale}; "
                f"{self._source.folder} was trained for {low} to {high}"
            )

    def _remove(self) -> None:
        # Called on leaving and on rolling back alike.
        super()._remove()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        self._weights.restore()
