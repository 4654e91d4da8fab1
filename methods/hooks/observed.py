"""A hook that reads what a run of blocks adds to its input, and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from methods.base import MethodError
from methods.hooks.applied import AppliedHooks
from methods.hooks.modules import TypedHook

Arrive = Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]]


class ObservedBlocks:
    """What the hooks of one observed run of consecutive blocks share: its inputs, while it runs."""

    def __init__(self, streams: tuple[str, ...], arrive: Arrive, receive: Callable[[Tensor], None]) -> None:
        """`streams` and `arrive` are the family's; `receive` gets what is added to the first stream."""
        self.streams = streams
        self._arrive, self._receive = arrive, receive
        self._inputs: tuple[Tensor, ...] | None = None

    def enter(self, inputs: tuple[Tensor, ...]) -> None:
        """Before the first block."""
        self._inputs = inputs

    def leave(self, output: Any) -> None:
        """After the last block: hand on the difference."""
        if self._inputs is None:
            raise MethodError("the last block of an observed run ran without the first one")
        inputs, self._inputs = self._inputs, None
        outputs = (output,) if isinstance(output, Tensor) else tuple(output)
        self._receive(outputs[0] - self._arrive(inputs, outputs)[0])


class ObserverHook(TypedHook):
    """One block of an observed run: the first keeps the inputs, the last compares."""

    def __init__(self, blocks: ObservedBlocks, block: nn.Module, *, first: bool, last: bool) -> None:
        """See the class."""
        super().__init__()
        self._blocks, self._first, self._last = blocks, first, last
        names = list(inspect.signature(type(block).forward).parameters)[1:]
        self._where = tuple((name, names.index(name)) for name in blocks.streams)

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Runs before the module."""
        if self._first:
            self._blocks.enter(tuple(kwargs[name] if name in kwargs else args[index] for name, index in self._where))
        return args, kwargs

    def post_forward(self, module: nn.Module, output: Any) -> Any:
        """Runs after the module."""
        if self._last:
            self._blocks.leave(output)
        return output


def attach_block_observer(
    applied: AppliedHooks, blocks: Sequence[nn.Module], receive: Callable[[Tensor], None]
) -> None:
    """Hand what consecutive blocks together add to the first stream to `receive`, right after the last one ran.

    The first stream is the video's tokens. Nothing is handed on in calls in which the blocks do not run.
    """
    arrive = partial(applied.family.arrive, applied.transformer, blocks)
    shared = ObservedBlocks(applied.family.block_streams, arrive, receive)
    for index, block in enumerate(blocks):
        applied._attach(block, ObserverHook(shared, block, first=index == 0, last=index == len(blocks) - 1))
