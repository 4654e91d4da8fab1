"""A method in force that runs whole transformer calls for some branches of guidance and makes the others' outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from methods.base import Branch
from methods.families.base import Family
from methods.hooks.applied import AppliedHooks
from methods.hooks.guidance import OutputForm, conditional_half, form_of, half_of, is_guided, join_halves, sample_of


class BranchHooks(AppliedHooks):
    """Asks of each branch whether the transformer runs for it, wherever the family runs it: by itself or batched.

    A single branch, of a family or a video without guidance, is `cond`. Of a batched call the conditional half may run
    alone, never the unconditional one. A call all of whose branches run returns the transformer's very output.
    """

    def __init__(self, pipeline: Any, family: Family, *, root_only: bool = False) -> None:
        """See `AppliedHooks`."""
        super().__init__(pipeline, family, root_only=root_only)
        self.held: tuple[Branch, ...] = ("cond",)
        """The branches of the call in progress, in the order of its batch."""
        self.running: tuple[Branch, ...] = ("cond",)
        """Those the transformer runs for, in the order of the batch that it sees."""
        self._form: OutputForm | None = None

    def begin_branches(self) -> None:
        """Decide what depends on `held`, before anything runs."""

    def runs(self, branch: Branch) -> bool:
        """Whether the transformer runs for a branch of the call in progress."""
        raise NotImplementedError

    def computed(self, branch: Branch, sample: Tensor) -> None:
        """Take what the transformer made for a branch that ran; `cond` comes first. It may be a view of a batch."""
        raise NotImplementedError

    def made(self, branch: Branch) -> Tensor:
        """The output for a branch that did not run: `cond` first, after `computed` was given those that did."""
        raise NotImplementedError

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """See `AppliedHooks.run_call`."""
        self.held = self._branches(args, kwargs)
        self.begin_branches()
        self.running = tuple(branch for branch in self.held if self.runs(branch))
        samples: dict[Branch, Tensor] = {}
        if self.running:
            if self.running != self.held:
                args, kwargs = conditional_half(self.family, self.transformer, args, kwargs)
            output = forward(*args, **kwargs)
            self._form = form_of(output)
            sample = sample_of(output)
            for branch in sorted(self.running):
                whole = len(self.running) == 1
                samples[branch] = sample if whole else half_of(self.family, sample, branch)
                self.computed(branch, samples[branch])
            if self.running == self.held:
                return output
        for branch in sorted(self.held):
            if branch not in samples:
                samples[branch] = self.made(branch)
        assert self._form is not None, "something was computed before it is reused"
        if len(self.held) == 1:
            return self._form(samples[self.held[0]])
        return self._form(join_halves(self.family, samples["cond"], samples["uncond"]))

    def _branches(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Branch, ...]:
        branch = self.controller.call.branch
        if branch != "both":
            return (branch,)
        order = self.family.batched_branches
        if order is None or not is_guided(self.family, self.transformer, args, kwargs):
            return ("cond",)
        return order
