"""Hooks on modules below the transformer: cached outputs, replaced runs of blocks, signals."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import Any, Literal

from diffusers.hooks.hooks import ModelHook
from torch import Tensor, nn

from methods.base import MethodError
from methods.families.base import Signal
from methods.hooks.controller import Controller
from methods.hooks.store import TensorStore

Keep = Literal["residual", "output"]


class TypedHook(ModelHook):  # type: ignore[misc]  # diffusers is not followed
    """A `ModelHook` with what diffusers leaves untyped typed."""

    def __init__(self) -> None:
        """Not registered yet."""
        initialize: Callable[[], None] = super().__init__
        initialize()

    @property
    def original(self) -> Callable[..., Any]:
        """What the module would have run: its own `forward` or the next hook."""
        reference: Any = self.fn_ref
        if reference is None or reference.original_forward is None:
            raise MethodError(f"{type(self).__name__} ran without being registered")
        forward: Callable[..., Any] = reference.original_forward
        return forward


class ModuleCacheHook(TypedHook):
    """Keeps one module's output for each branch, and returns it in place of running the module."""

    def __init__(self, name: str, reuse: Callable[[], bool], controller: Controller, store: TensorStore) -> None:
        """See the class."""
        super().__init__()
        self._name, self._reuse, self._controller, self._store = name, reuse, controller, store

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        key = (self._name, self._controller.call.branch)
        if self._reuse():
            return self._store.get(key)
        self._store.drop(key)
        output = self.original(*args, **kwargs)
        self._store.put(key, output)
        return output


class UnneededHook(TypedHook):
    """Yields uninitialised tensors of the shapes the module last returned, in place of running it."""

    def __init__(self, reuse: Callable[[], bool]) -> None:
        """See the class."""
        super().__init__()
        self._reuse = reuse
        self._shapes: Any = None

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        if self._reuse():
            if self._shapes is None:
                raise MethodError(f"{type(module).__name__} was passed over before it ran once")
            return _map(self._shapes, lambda like: like.new_empty(like.shape))
        output = self.original(*args, **kwargs)
        # Stride-0 views say shape, type and device and hold nothing.
        self._shapes = _map(output, lambda value: value.new_empty(()).expand(value.shape))
        return output


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    return tuple(None if item is None else _map(item, change) for item in value)


class BlockRange:
    """What the hooks of one run of consecutive blocks share: per branch, the residual they add or what they return."""

    def __init__(
        self,
        name: str,
        streams: tuple[str, ...],
        arrive: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], tuple[Tensor, ...]],
        keep: Keep,
        reuse: Callable[[], bool],
        controller: Controller,
        store: TensorStore,
    ) -> None:
        """`streams` and `arrive` are the family's, `reuse` is asked once a call."""
        self.streams = streams
        self.reusing = False
        self._name, self._keep, self._reuse, self._controller, self._store = name, keep, reuse, controller, store
        self._arrive = arrive

    @property
    def _input_key(self) -> Hashable:
        return (self._name, "input", self._controller.call.branch)

    @property
    def _cache_key(self) -> Hashable:
        return (self._name, self._keep, self._controller.call.branch)

    def enter(self, inputs: tuple[Tensor, ...]) -> None:
        """At the first block: decide."""
        self.reusing = self._reuse()
        if not self.reusing:
            self._store.drop(self._cache_key)
            if self._keep == "residual":
                self._store.put(self._input_key, inputs)

    def replace(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """At the last block of a reused run: what it returns for the inputs that came through unchanged."""
        cached: tuple[Tensor, ...] = self._store.get(self._cache_key)
        if self._keep == "output":
            return cached
        return tuple(value + residual for value, residual in zip(inputs, cached, strict=True))

    def leave(self, output: Any) -> None:
        """After the last block has run: remember what they did."""
        outputs = (output,) if isinstance(output, Tensor) else tuple(output)
        if self._keep == "residual":
            inputs = self._store.get(self._input_key)
            self._store.drop(self._input_key)
            arrived = self._arrive(inputs, outputs)
            outputs = tuple(value - before for value, before in zip(outputs, arrived, strict=True))
        self._store.put(self._cache_key, outputs)


class BlockHook(TypedHook):
    """One block of a range: the first decides for all, the last remembers or replaces."""

    def __init__(self, blocks: BlockRange, block: nn.Module, *, first: bool, last: bool) -> None:
        """See the class."""
        super().__init__()
        self._range, self._first, self._last = blocks, first, last
        names = list(inspect.signature(type(block).forward).parameters)[1:]
        self._where = tuple((name, names.index(name)) for name in blocks.streams)

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        inputs = tuple(kwargs[name] if name in kwargs else args[index] for name, index in self._where)
        if self._first:
            self._range.enter(inputs)
        if self._range.reusing:
            passed = self._range.replace(inputs) if self._last else inputs
            return passed if len(passed) > 1 else passed[0]
        del inputs
        output = self.original(*args, **kwargs)
        if self._last:
            self._range.leave(output)
        return output


class SignalHook(TypedHook):
    """Reads a signal and passes it on; changes nothing."""

    def __init__(self, signal: Signal, receive: Callable[[Tensor], None]) -> None:
        """See the class."""
        super().__init__()
        self._signal, self._receive = signal, receive

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Runs before the module."""
        if self._signal.at == "input":
            self._receive(self._signal.read(args, kwargs))
        return args, kwargs

    def post_forward(self, module: nn.Module, output: Any) -> Any:
        """Runs after the module."""
        if self._signal.at == "output":
            self._receive(self._signal.read(output))
        return output
