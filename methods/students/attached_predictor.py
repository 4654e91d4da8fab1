"""A predictor in force on a transformer: which steps it takes, from which cache, and on which model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from methods.base import MethodError, NothingHookedError
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.hooks.own_modules import attach_own_module
from methods.students.applied import AppliedStudent
from methods.students.conditioning import TIMESTEPS
from methods.students.in_force import StudentSource
from methods.students.predicted_stack import PredictedStack
from methods.students.predictor_rung import read_predictor
from methods.students.rung import RungError, read_card
from methods.students.step_list import staleness

Excess = Literal["raise", "warn"]
"""What happens where a list of full steps lets caches get older than those the predictor was trained on."""

_CHILD = "disca_predictor"


def check_excess(excess: str) -> None:
    """Refuse what is not an `Excess`.

    Raises:
        ValueError: it is not.
    """
    if excess not in get_args(Excess):
        raise ValueError(f"beyond_delta_max is {excess!r}; give {' or '.join(get_args(Excess))}")


@dataclass(frozen=True, slots=True)
class PredictorSource:
    """Which predictor is put in force and when.

    `step_list` has the full steps of a video of `num_inference_steps`; a run of another length, such as a warm-up,
    follows the list without its caches' age being judged.
    """

    folder: Path
    step_list: tuple[int, ...]
    num_inference_steps: int
    beyond_delta_max: Excess


class PredictorAttachment:
    """What a predictor adds to a method in force: its own module, its hooks on the blocks, and its decision a call.

    The tokens that the last block returned at the last full step are the whole cache, one entry for each branch.
    """

    def __init__(
        self, applied: AppliedHooks, source: PredictorSource, timesteps: Callable[[], tuple[float, ...]]
    ) -> None:
        """`timesteps` is asked once a video, in its first call."""
        self._applied, self._source, self._timesteps = applied, source, timesteps
        self._delta_max = 0.0
        self._predicting = False

    def attach(self, student: StudentSource | None = None) -> None:
        """Read the predictor and attach everything.

        Raises:
            NothingHookedError: the transformer has no blocks.
            RungError: the rung is missing, damaged, does not fit, or was trained for another student.
        """
        applied, folder = self._applied, self._source.folder
        family, transformer = applied.family, applied.transformer
        blocks = [block for depth in family.stack(transformer) for block in depth]
        if not blocks:
            raise NothingHookedError(f"{type(transformer).__name__} has no blocks that a predictor could stand in for")
        predictor, rung = read_predictor(folder, family, transformer)
        if student is not None:
            parent = read_card(student.folder, kinds=student.kinds, family=family.name).weights_sha256
            # The card alone of a predictor that is not there was written for no one student.
            if rung.weights_sha256 and parent != rung.parent:
                raise RungError(
                    f"{folder} was trained for the student {rung.parent[:12]}, {student.folder} is {parent[:12]}; "
                    "give the student it was trained for"
                )
        self._delta_max = float(rung.config["delta_max"])
        attach_own_module(applied, _CHILD, predictor)
        stack = PredictedStack(
            blocks,
            family.block_streams,
            predicts=lambda: self._predicting,
            predict=lambda *args, **kwargs: predictor(applied.store.get(self._key), *args, **kwargs),
            keep=self._keep,
            release=lambda: applied.store.drop(self._key),
        )
        for block, hook in stack.hooks():
            applied._attach(block, hook)

    def begin_call(self, call: Call) -> None:
        """Decide, and judge the list in a video's first call."""
        source = self._source
        if call.step_index == 0 and call.num_steps == source.num_inference_steps:
            sigmas = [timestep / TIMESTEPS for timestep in self._timesteps()]
            stale = staleness(source.step_list, sigmas, self._delta_max)
            if stale is not None and source.beyond_delta_max == "raise":
                raise MethodError(f"{stale}, or set beyond_delta_max: warn")
            if stale is not None:
                warnings.warn(stale, stacklevel=2)
        self._predicting = call.step_index not in source.step_list
        if self._predicting:
            self._applied.controller.decide("predict")

    @property
    def _key(self) -> tuple[str, str]:
        return ("tokens after the last block", self._applied.controller.call.branch)

    def _keep(self, tokens: tuple[Tensor, ...]) -> None:
        self._applied.store.put(self._key, tokens)


class AppliedPredictor(AppliedHooks):
    """A predictor on the pipeline's own transformer."""

    def __init__(self, pipeline: Any, family: Family, source: PredictorSource) -> None:
        """See the class."""
        super().__init__(pipeline, family)
        self._attachment = PredictorAttachment(self, source, lambda: family.timesteps(pipeline))

    def attach_hooks(self) -> None:
        """See `AppliedHooks.attach_hooks`."""
        self._attachment.attach()

    def begin_call(self, call: Call) -> None:
        """See `AppliedHooks.begin_call`."""
        self._attachment.begin_call(call)


class AppliedStudentWithPredictor(AppliedStudent):
    """A predictor on a student that is itself put in force."""

    def __init__(self, pipeline: Any, family: Family, student: StudentSource, source: PredictorSource) -> None:
        """See the class."""
        super().__init__(pipeline, family, student, root_only=False)
        self._student = student
        self._attachment = PredictorAttachment(self, source, lambda: family.timesteps(pipeline))

    def attach_hooks(self) -> None:
        """See `AppliedHooks.attach_hooks`."""
        super().attach_hooks()
        self._attachment.attach(self._student)

    def begin_call(self, call: Call) -> None:
        """See `AppliedHooks.begin_call`."""
        super().begin_call(call)
        self._attachment.begin_call(call)
