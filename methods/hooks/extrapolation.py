"""A hook that goes on from a module's last two outputs instead of running it, for each branch by itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from methods.base import Branch
from methods.hooks.modules import TypedHook
from methods.hooks.store import TensorStore

Remember = Literal["computed", "every"]
"""Which outputs are gone on from: only `computed` ones, or `every` one that was returned."""


class ExtrapolationRule(Protocol):
    """What is to be done in the call in progress."""

    @property
    def extrapolates(self) -> bool:
        """Whether modules are extrapolated."""

    @property
    def weight(self) -> float:
        """How far to go on, in units of the last change: 0 repeats the last output."""

    @property
    def running(self) -> Sequence[Branch]:
        """The branches in the batch that modules see, in its order."""

    @property
    def kept(self) -> Sequence[Branch]:
        """The branches whose outputs are remembered."""


class ExtrapolationHook(TypedHook):
    """Returns last + (last - previous) * weight of a module's outputs in place of running it."""

    def __init__(self, name: str, rule: ExtrapolationRule, store: TensorStore, remember: Remember) -> None:
        """`name` is unique among the method's hooks; outputs are tensors or tuples of them, batch first."""
        super().__init__()
        self._name, self._rule, self._store, self._remember = name, rule, store, remember

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        rule = self._rule
        if rule.extrapolates:
            parts = [self._extrapolated(branch) for branch in rule.running]
            joined = parts[0] if len(parts) == 1 else tuple(torch.cat(same) for same in zip(*parts, strict=True))
            if self._remember == "every":
                self._keep(joined)
            return joined if len(joined) > 1 else joined[0]
        self._shift()
        output = self.original(*args, **kwargs)
        self._keep((output,) if isinstance(output, Tensor) else tuple(output), shifted=True)
        return output

    def _key(self, slot: str, branch: Branch) -> Hashable:
        return (self._name, slot, branch)

    def _extrapolated(self, branch: Branch) -> tuple[Tensor, ...]:
        last = self._store.get(self._key("last", branch))
        key = self._key("previous", branch)
        if key not in self._store:
            return tuple(last)
        weight = self._rule.weight
        return tuple(new + (new - old) * weight for old, new in zip(self._store.get(key), last, strict=True))

    def _shift(self) -> None:
        """Let go of what will not be needed once there is a newer output, before it is made."""
        for branch in self._rule.running:
            if branch in self._rule.kept and self._key("last", branch) in self._store:
                self._store.put(self._key("previous", branch), self._store.get(self._key("last", branch)))
                self._store.drop(self._key("last", branch))

    def _keep(self, outputs: tuple[Tensor, ...], *, shifted: bool = False) -> None:
        if not shifted:
            self._shift()
        running, kept = self._rule.running, self._rule.kept
        for index, branch in enumerate(running):
            if branch in kept:
                halves = tuple(value.chunk(len(running), dim=0)[index] for value in outputs)
                # A view would keep the other branch's half alive.
                alone = len(running) > 1 and len(kept) == 1
                self._store.put(self._key("last", branch), tuple(map(torch.clone, halves)) if alone else halves)
