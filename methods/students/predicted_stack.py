"""Hooks that let DisCa's predictor take the place of the whole block stack, and keep the stack's last output for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from methods.base import NothingHookedError
from methods.hooks.modules import TypedHook
from methods.students.predictor import read_streams, stream_places


class PredictedStack:
    """What the hooks of one stack share.

    `predicts` is asked once a call, at the first block, and the answer stands for the whole stack. Where it is no, the
    blocks run and `keep` gets what the last one returned, a tensor a stream; `release` is called before they do, so
    that the last cache need not be held meanwhile. Where it is yes, the tokens pass through the blocks as they are and
    the last one's place is taken by `predict`, which gets all that block is called with.
    """

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        streams: tuple[str, ...],
        *,
        predicts: Callable[[], bool],
        predict: Callable[..., Any],
        keep: Callable[[tuple[Tensor, ...]], None],
        release: Callable[[], None],
    ) -> None:
        """`blocks` in the order in which they run; `streams` are the family's."""
        if not blocks:
            raise NothingHookedError("the transformer has no blocks that a predictor could take the place of")
        self.streams = streams
        self.predict, self.keep = predict, keep
        self.predicting = False
        self._blocks, self._predicts, self._release = blocks, predicts, release

    def begin(self) -> None:
        """At the first block of a call."""
        self.predicting = self._predicts()
        if not self.predicting:
            self._release()

    def hooks(self) -> Iterator[tuple[nn.Module, PredictedBlockHook]]:
        """A hook for each block."""
        for index, block in enumerate(self._blocks):
            yield block, PredictedBlockHook(self, block, first=index == 0, last=index == len(self._blocks) - 1)


class PredictedBlockHook(TypedHook):
    """One block of a stack that a predictor may stand in for."""

    def __init__(self, stack: PredictedStack, block: nn.Module, *, first: bool, last: bool) -> None:
        """`first` and `last` of the blocks; one block may be both."""
        super().__init__()
        self._stack, self._first, self._last = stack, first, last
        self._places = stream_places(block, stack.streams)

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the block."""
        stack = self._stack
        if self._first:
            stack.begin()
        if not stack.predicting:
            output = self.original(*args, **kwargs)
            if self._last:
                stack.keep((output,) if isinstance(output, Tensor) else tuple(output))
            return output
        if self._last:
            return stack.predict(*args, **kwargs)
        passed = read_streams(self._places, args, kwargs)
        return passed if len(passed) > 1 else passed[0]
