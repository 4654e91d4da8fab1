"""A student in a transformer's place: its weights in it, its conditions in the time embedding, told step by step."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from methods.base import MethodError
from methods.families.base import Family
from methods.students.conditioning import (
    TIMESTEPS,
    Conditioning,
    ConditioningConfig,
    Conditions,
    attach,
    native_guidance,
)
from methods.students.rung import Rung, RungError, load_strictly, read_card
from methods.students.student import conditioning_of, read_weights
from methods.students.weights import ReplacedWeights

_EULER = "FlowMatchEulerDiscreteScheduler"


@dataclass(frozen=True, slots=True)
class StudentSource:
    """Which rung is put in force: its folder, the kinds that are accepted, and the guidance scale it is told."""

    folder: Path
    kinds: Collection[str]
    guidance_scale: float


class StudentInForce:
    """A rung in the place of a pipeline's own transformer, from `put` to `remove`.

    Before each call of the transformer the student is told, by `tell`, the guidance scale g, t and r: the times at
    which the step begins and ends, the scheduler's timestep and the next one over 1000, and 0 in the last step. On the
    meta device weights are not read, only `rung.json`, so that a row can be priced without them.
    """

    def __init__(self, pipeline: Any, family: Family, source: StudentSource) -> None:
        """Prepare; nothing is changed yet."""
        self._pipeline, self._family, self._source = pipeline, family, source
        self._weights = ReplacedWeights()
        self._handle: RemovableHandle | None = None
        self._config = ConditioningConfig()
        self._conditions = Conditions()
        self._times = torch.empty(0)

    def put(self) -> None:
        """Replace the weights and add the conditions; whoever calls this calls `remove`, also where it raised.

        Raises:
            RungError: the rung is missing, damaged, or does not fit the pipeline or the guidance scale.
            MethodError: the student predicts whole steps and the scheduler is not a plain Euler one.
        """
        folder, transformer = self._source.folder, self._transformer
        rung = read_card(folder, kinds=self._source.kinds, family=self._family.name)
        self._config = conditioning_of(rung)
        self._check(rung)
        time_embedding = self._family.time_embedding(transformer)
        conditioning = Conditioning(self._config, time_embedding).requires_grad_(False).eval()
        if self._device.type != "meta":
            own, embedders = read_weights(folder, rung, transformer)
            load_strictly(conditioning, embedders, folder)
            self._weights.replace(transformer, own, folder)
        self._handle = attach(conditioning, time_embedding, lambda: self._conditions)

    def tell(self, step_index: int) -> None:
        """Which step the next call belongs to; the first step of each video is told, as the schedule is read there."""
        if step_index == 0:
            times = (*self._family.timesteps(self._pipeline), 0.0)
            self._times = torch.tensor(times, dtype=torch.float32, device=self._device) / TIMESTEPS
        self._conditions = Conditions(
            guidance=torch.full((1,), self._source.guidance_scale, device=self._device),
            t=self._times[step_index : step_index + 1],
            r=self._times[step_index + 1 : step_index + 2],
        )

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of a call, with the scale where the transformer embeds the guidance itself.

        Raises:
            MethodError: it does, and is called without.
        """
        if self._config.guidance != "native":
            return given
        guidance = given.get("guidance")
        if not isinstance(guidance, Tensor):
            raise MethodError("the pipeline calls its transformer without guidance as a keyword; it cannot be told")
        assert self._conditions.guidance is not None
        return {**given, "guidance": native_guidance(self._conditions.guidance, guidance.shape[0])}

    def remove(self) -> None:
        """Take the conditions off and put the transformer's own weights back; nothing to do where nothing was put."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        self._weights.restore()

    @property
    def _transformer(self) -> nn.Module:
        return self._family.transformer(self._pipeline)

    @property
    def _device(self) -> torch.device:
        return next(self._transformer.parameters()).device

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


@contextmanager
def student_in_force(pipeline: Any, family: Family, source: StudentSource) -> Iterator[None]:
    """While entered, the pipeline is the student, and any method but one with a student of its own can be applied.

    The steps are counted by the scheduler, since a method may skip whole calls: what is told here is told as the
    pipeline calls, around all that a method does.

    Raises:
        RungError: see `StudentInForce.put`.
        MethodError: likewise; or the scheduler does not count its steps.
    """
    scheduler = pipeline.scheduler
    if not hasattr(scheduler, "step_index"):
        raise MethodError(f"{type(scheduler).__name__} does not count its steps; load the pipeline with a {_EULER}")
    student = StudentInForce(pipeline, family, source)

    def told(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        # `scheduled` may have put another scheduler in place; before its first step it knows no index.
        student.tell(pipeline.scheduler.step_index or 0)
        return args, student.arguments(kwargs)

    try:
        student.put()
        handle = family.transformer(pipeline).register_forward_pre_hook(told, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()
    finally:
        student.remove()
