"""Which call of the transformer is in progress, and what was decided in those before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from diffusers.hooks.hooks import CacheContext

from methods.base import Action, Branch, Decision, MethodError, StaleStateError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the transformer: which of `num_steps` steps, for which branch, at which scheduler timestep."""

    step_index: int
    num_steps: int
    branch: Branch
    timestep: float


class Controller:
    """Knows which call is in progress and what was decided in each since `reset`; holds no tensor.

    Where the pipeline's cache context says the step it is believed. Elsewhere a step begins each time the branch
    comes again that began the video, never when the timestep changes: solvers may repeat one.
    """

    def __init__(self, timesteps: Callable[[], Sequence[float]], branch_of: Callable[[str | None], Branch]) -> None:
        """`timesteps` is asked once a video, at its first call; it may synchronise the device."""
        self._read_timesteps = timesteps
        self._branch_of = branch_of
        self.reset()

    def reset(self) -> None:
        """Forget the last video."""
        self._timesteps: tuple[float, ...] | None = None
        self._call: Call | None = None
        self._step = -1
        self._branches: list[Branch] = []
        self._first: Branch | None = None
        self._memo: tuple[Any] | None = None
        self._decision: tuple[Action, float | None, str | None] = ("compute", None, None)
        self._decisions: list[Decision] = []

    @property
    def call(self) -> Call:
        """The call in progress."""
        if self._call is None:
            raise MethodError("no transformer call is in progress; a hooked module was called from outside of one")
        return self._call

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """One per finished call."""
        return tuple(self._decisions)

    def begin(self, context: CacheContext | None) -> Call:
        """Enter a call.

        Raises:
            StaleStateError: the call belongs to another video than the last one.
        """
        branch = self._branch_of(context.name if context is not None else None)
        if self._timesteps is None:
            self._timesteps = tuple(self._read_timesteps())
            self._first = branch
        given = context.step_index if context is not None else None
        step = given if given is not None else self._step + (branch == self._first)
        repeated = step == self._step and branch in self._branches
        if step < self._step or repeated or step >= len(self._timesteps):
            raise StaleStateError(
                f"step {step} ({branch}) of {len(self._timesteps)} cannot follow step {self._step}; "
                "call reset() before each video"
            )
        if step != self._step:
            self._step, self._branches, self._memo = step, [], None
        self._branches.append(branch)
        total = context.num_inference_steps if context is not None else None
        self._decision = ("compute", None, None)
        self._call = Call(step, len(self._timesteps) if total is None else total, branch, self._timesteps[step])
        return self._call

    def decide(self, action: Action, distance: float | None = None, level: str | None = None) -> None:
        """Say what is done in the call in progress; what is said last counts, and `compute` if nothing is."""
        self._decision = (action, distance, level)

    def end(self) -> None:
        """Leave the call and write its decision down."""
        call = self.call
        self._decisions.append(Decision(call.step_index, call.branch, *self._decision))
        self._call = None

    def once_per_step(self, make: Callable[[], T]) -> T:
        """What `make` returned in the first branch of this step that asked; one slot a step."""
        if self._memo is None:
            self._memo = (make(),)
        value: T = self._memo[0]
        return value
