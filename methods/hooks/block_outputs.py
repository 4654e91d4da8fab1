"""Hooks that hand on the outputs of some blocks, and that begin a call behind one of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from methods.hooks.modules import TypedHook

Blocks = Sequence[Sequence[nn.Module]]
"""The blocks by depth, as `Family.stack` yields them."""


class BlockOutputs:
    """What the hooks share: where the call in progress begins, and who is told what the chosen blocks returned."""

    def __init__(
        self,
        block_ids: Sequence[int],
        streams: tuple[str, ...],
        start: Callable[[], int | None],
        cached: Callable[[int], tuple[Tensor, ...]],
        receive: Callable[[int, tuple[Tensor, ...]], None],
    ) -> None:
        """`block_ids` are 0-based depths, `streams` the family's.

        `start` is asked once a call, at the first block: the id of the block whose output comes from `cached`, so that
        it and those before it need not run; None runs all. `receive` gets an id and the output of each of `block_ids`
        that ran.
        """
        self.block_ids = tuple(block_ids)
        self.streams = streams
        self.begins_behind: int | None = None
        self.start, self.cached, self.receive = start, cached, receive

    def hooks(self, blocks: Blocks) -> Iterator[tuple[nn.Module, BlockOutputHook]]:
        """A hook for each module up to the deepest of the chosen blocks; the others need none."""
        for depth in range(max(self.block_ids) + 1):
            for index, module in enumerate(blocks[depth]):
                last = index == len(blocks[depth]) - 1
                yield module, BlockOutputHook(self, module, depth, first=depth == index == 0, last=last)


class BlockOutputHook(TypedHook):
    """One module of a block: passed over where the call begins behind it, otherwise run and listened to."""

    def __init__(self, outputs: BlockOutputs, module: nn.Module, depth: int, *, first: bool, last: bool) -> None:
        """`last` of the modules of its block, `first` of all."""
        super().__init__()
        self._outputs, self._depth, self._first, self._last = outputs, depth, first, last
        names = list(inspect.signature(type(module).forward).parameters)[1:]
        self._where = tuple((name, names.index(name)) for name in outputs.streams)

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        shared = self._outputs
        if self._first:
            shared.begins_behind = shared.start()
        if shared.begins_behind is not None and self._depth <= shared.begins_behind:
            if self._last and self._depth == shared.begins_behind:
                streams = shared.cached(self._depth)
            else:
                streams = tuple(kwargs[name] if name in kwargs else args[index] for name, index in self._where)
            return streams if len(streams) > 1 else streams[0]
        output = self.original(*args, **kwargs)
        if self._last and self._depth in shared.block_ids:
            shared.receive(self._depth, (output,) if isinstance(output, Tensor) else tuple(output))
        return output
