"""A run of blocks whose cache is in force in a part of the steps only, so that runs may overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from methods.base import NothingHookedError
from methods.hooks.applied import AppliedHooks
from methods.hooks.modules import BlockHook, BlockRange


class SwitchedRange(BlockRange):
    """A `BlockRange` that lets go of its residual while it is not in force."""

    def forget(self) -> None:
        """Drop what is cached for the branch in progress."""
        self.reusing = False
        self._store.drop(self._cache_key)


class SwitchedBlockHook(BlockHook):
    """A `BlockHook` that only lets its block run while the run is not in force."""

    def __init__(
        self, blocks: SwitchedRange, block: nn.Module, in_force: Callable[[], bool], *, first: bool, last: bool
    ) -> None:
        """`in_force` is asked at each block and must not change during a call."""
        super().__init__(blocks, block, first=first, last=last)
        self._switched, self._in_force = blocks, in_force

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        if self._in_force():
            return super().new_forward(module, *args, **kwargs)
        if self._first:
            self._switched.forget()
        return self.original(*args, **kwargs)


def attach_switched_range(
    applied: AppliedHooks,
    name: str,
    blocks: Sequence[nn.Module],
    reuse: Callable[[], bool],
    in_force: Callable[[], bool],
) -> None:
    """Cache per branch what consecutive blocks add to their input, in the calls in which `in_force` holds.

    Elsewhere the blocks run as if nothing were attached and their residual is dropped. Runs may overlap as long as no
    two are in force in the same call. `name` must be unique.

    Raises:
        NothingHookedError: `blocks` is empty.
    """
    if not blocks:
        raise NothingHookedError(f"{type(applied.transformer).__name__} has no blocks in range {name!r}")
    family = applied.family
    arrive = partial(family.arrive, applied.transformer, blocks)
    shared = SwitchedRange(name, family.block_streams, arrive, "residual", reuse, applied.controller, applied.store)
    for index, block in enumerate(blocks):
        hook = SwitchedBlockHook(shared, block, in_force, first=index == 0, last=index == len(blocks) - 1)
        applied._attach(block, hook)
