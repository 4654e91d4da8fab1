"""Floating-point operations of one video, counted without slowing the video down.

Running a whole video under `torch.utils.flop_counter` would distort its time. So each part of the transformer is run
under it once for each shape of its arguments, and from then on a call of that part adds a remembered number. What a
method skips is not called and adds nothing, and adaptive methods are counted as they really went.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from methods.families.base import Family

T = TypeVar("T")
Key = tuple[torch.Size | None, ...]

_ARITHMETIC = re.compile(
    r"fft|attention|attn|conv|matmul|linear|(^|_)(int|scaled|grouped)?_?(mm|bmm|mv|addmv|addr|dot|vdot|inner|outer)($|_)"
    r"|baddbmm|addbmm|rnn|lstm|gru|cdist|linalg|einsum"
)
"""Names of operators whose work grows faster than their output. Element-wise operators count as zero everywhere."""
_FREE = re.compile(r"upsample|vector_norm|fftfreq|fftshift|prepack|_backward")
_BUILT_IN = frozenset({"aten", "prim", "prims", "profiler", "c10d", "_c10d_functional"})
"""Operators of torch itself; the last two pass tensors between devices, which is no arithmetic."""


class FlopMeter:
    """Counts what a transformer executes while entered.

    The transformer, its blocks and those of their children that hold a weight matrix get a counting `forward`. Enter
    the meter before a method is applied and leave it after: then the counting `forward` is innermost, and a module that
    the method passes over is not counted. What a part computes itself, outside of its counted children, is measured
    and added too. Modules of a method's own are counted where it has made them children of the transformer; what else
    it computes outside of the transformer's own `forward` is not seen.
    """

    def __init__(self, transformer: nn.Module, family: Family) -> None:
        """Prepare to count a transformer of this family; nothing is changed until the meter is entered."""
        self._root = transformer
        self._parts = list(_parts(transformer, family))
        self._children = frozenset(transformer.children())
        self._guests: dict[nn.Module, Mapping[str, Any]] = {}
        self._replaced: list[tuple[nn.Module, Mapping[str, Any]]] = []
        self._counter: FlopCounterMode | None = None
        self._unseen: set[str] = set()
        self._total = 0
        self._full: dict[Key, int] = {}
        self._last: Key | None = None

    def reset(self) -> None:
        """Begin a new video; remembered costs stay."""
        self._total = 0

    def denoiser_flops(self) -> int:
        """What the transformer executed since `reset`, a multiply-add counting 2."""
        return self._total

    def full_forward_flops(self) -> int:
        """What one whole call of the transformer costs at the shape it was last called with.

        It is the dearest call seen at that shape since the meter was made, so a method whose every call skips
        something is preceded by one that does not, such as the original.

        Raises:
            RuntimeError: the transformer has not been called yet.
        """
        if self._last is None:
            raise RuntimeError("the transformer was not called while the meter was entered; generate a video first")
        return self._full[self._last]

    def unseen_ops(self) -> tuple[str, ...]:
        """Operators of the transformer with arithmetic that the counter has no formula for."""
        return tuple(sorted(self._unseen))

    def __enter__(self) -> Self:
        """Begin to count."""
        if self._replaced:
            raise RuntimeError("the meter is entered already")
        for module in self._parts:
            own = vars(module)
            self._replaced.append((module, {"forward": own["forward"]} if "forward" in own else {}))
            own["forward"] = self._counted(module, module.forward)
        own = vars(self._root)
        self._replaced.append((self._root, {"forward": own["forward"]} if "forward" in own else {}))
        own["forward"] = self._counted_root(self._counted(self._root, self._root.forward))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take every counting `forward` off again."""
        for module, before in (*reversed(self._replaced), *self._guests.items()):
            _put_back(module, before)
        self._replaced.clear()
        self._guests.clear()

    def _meet_guests(self) -> None:
        """Count the children a method has given the transformer, as parts; no longer those it has taken back."""
        present = [child for child in self._root.children() if child not in self._children]
        for gone in self._guests.keys() - set(present):
            _put_back(gone, self._guests.pop(gone))
        for guest in present:
            if guest not in self._guests:
                own = vars(guest)
                self._guests[guest] = {"forward": own["forward"]} if "forward" in own else {}
                own["forward"] = self._counted(guest, guest.forward)

    def _counted(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The `forward` of a part that also adds what the part does itself."""
        costs: dict[Key, int] = {}

        @functools.wraps(forward)
        def counted(*args: Any, **kwargs: Any) -> Any:
            key = _key(args, kwargs)
            cost = costs.get(key)
            if cost is None:
                output, costs[key] = self._measure(forward, args, kwargs)
                return output
            self._total += cost
            return forward(*args, **kwargs)

        return counted

    def _counted_root(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(forward)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._meet_guests()
            before = self._total
            output = forward(*args, **kwargs)
            key = _key(args, kwargs)
            self._last = key
            self._full[key] = max(self._full.get(key, 0), self._total - before)
            return output

        return counted

    def _measure(self, forward: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, int]:
        """Run one part and learn what it computes itself. Parts within it add theirs to the total meanwhile."""
        if self._counter is None:
            with _Watch() as watch, FlopCounterMode(display=False) as self._counter:
                try:
                    return self._measure(forward, args, kwargs)
                finally:
                    self._counter = None
                    self._unseen |= watch.unseen
        counter, seen, added = self._counter, self._counter.get_total_flops(), self._total
        output = forward(*args, **kwargs)
        own = (counter.get_total_flops() - seen) - (self._total - added)
        self._total += own
        return output, own


def measure_call(call: Callable[[], T]) -> tuple[T, int, tuple[str, ...]]:
    """Run `call` under the counter: its result, its FLOPs, and arithmetic operators that have no formula."""
    with _Watch() as watch, FlopCounterMode(display=False) as counter:
        result = call()
    return result, counter.get_total_flops(), tuple(sorted(watch.unseen))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the arithmetic operators that the counter, entered after it, passes on without a formula."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unseen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = getattr(func, "_overloadpacket", func)
        if packet not in flop_registry:
            name = str(packet)
            namespace, _, operator = name.rpartition(".")
            foreign = namespace.rpartition(".")[2] not in _BUILT_IN
            if foreign or (_ARITHMETIC.search(operator) and not _FREE.search(operator)):
                self.unseen.add(name)
        return func(*args, **(kwargs or {}))


def _key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Key:
    # By all tensors, not only the first: cross-attention also costs by the length of the text.
    values = (*args, *kwargs.values()) if kwargs else args
    return tuple([value.shape if isinstance(value, torch.Tensor) else None for value in values])


def _put_back(module: nn.Module, before: Mapping[str, Any]) -> None:
    """Give a module the `forward` again that it had of its own, if any."""
    vars(module).pop("forward", None)
    vars(module).update(before)


def _parts(transformer: nn.Module, family: Family) -> Iterator[nn.Module]:
    """Blocks, and the children of blocks and transformer that hold a weight of two or more dimensions, each once."""
    blocks = [block for _, members in family.block_lists(transformer) for block in members]
    seen = {id(transformer)}
    for parent in (*blocks, transformer):
        for child in (*_children(parent), *([parent] if parent is not transformer else [])):
            heavy = any(parameter.dim() > 1 for parameter in child.parameters())
            if heavy and id(child) not in seen:
                seen.add(id(child))
                yield child


def _children(module: nn.Module) -> Iterator[nn.Module]:
    """Direct children; a list or dict of modules is never called itself, so its members stand in for it."""
    for child in module.children():
        if isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _children(child)
        else:
            yield child
