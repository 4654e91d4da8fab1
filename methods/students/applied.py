"""A student as a method in force: told by the method's own count of steps, one call a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.students.in_force import StudentInForce, StudentSource

NOWHERE_TO_TELL = "where a distilled student would be told guidance and time is not known for this architecture"
"""Why a family that does not take conditions cannot run a student."""


class AppliedStudent(AppliedHooks):
    """Runs a rung in place of the pipeline's own transformer, one call a step; see `StudentInForce`."""

    def __init__(self, pipeline: Any, family: Family, source: StudentSource, *, root_only: bool = True) -> None:
        """See the class; a subclass that hooks blocks besides gives `root_only=False`."""
        super().__init__(pipeline, family, root_only=root_only)
        self._in_force = StudentInForce(pipeline, family, source)

    def attach_hooks(self) -> None:
        """Put the student in force. A subclass calls this first."""
        self._in_force.put()

    def begin_call(self, call: Call) -> None:
        """Tell g, t and r. A subclass calls this first."""
        self._in_force.tell(call.step_index)

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Give a transformer that embeds the guidance itself the scale as its argument."""
        return forward(*args, **self._in_force.arguments(kwargs))

    def _remove(self) -> None:
        # Called on leaving and on rolling back alike.
        super()._remove()
        self._in_force.remove()
