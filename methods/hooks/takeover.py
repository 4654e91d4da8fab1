"""Hooks that hand a whole list of blocks over to something that runs them its own way."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from methods.hooks.modules import TypedHook


class Takeover:
    """What the hooks of one list share: who runs the blocks, and whether it is running them now."""

    def __init__(self, streams: tuple[str, ...], run: Callable[..., Any]) -> None:
        """`run` takes the first block's arguments, calls blocks itself, and returns what the last one would."""
        self.streams, self.run = streams, run
        self.running = False


class TakeoverHook(TypedHook):
    """One block of a list that was handed over.

    Called by the transformer, the first block runs the stand-in and returns what it returned, and the others return
    their inputs. Called by the stand-in, a block runs as it is.
    """

    def __init__(self, shared: Takeover, block: nn.Module, *, first: bool) -> None:
        """See the class."""
        super().__init__()
        self._shared, self._first = shared, first
        names = list(inspect.signature(type(block).forward).parameters)[1:]
        self._where = tuple((name, names.index(name)) for name in shared.streams)

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the block."""
        if self._shared.running:
            return self.original(*args, **kwargs)
        if not self._first:
            passed = tuple(kwargs[name] if name in kwargs else args[index] for name, index in self._where)
            return passed if len(passed) > 1 else passed[0]
        self._shared.running = True
        try:
            return self._shared.run(*args, **kwargs)
        finally:
            self._shared.running = False
