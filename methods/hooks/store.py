"""Everything a method holds, in one place, so that it can be dropped and measured."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from torch import Tensor

from methods.base import MethodError


class TensorStore:
    """Everything a method caches, by key. A value is a tensor or a nest of tuples, lists and dicts of them."""

    def __init__(self) -> None:
        """Start empty."""
        self._held: dict[Hashable, Any] = {}

    def put(self, key: Hashable, value: Any) -> None:
        """Keep `value` under `key` in place of what was there."""
        self._held[key] = value

    def get(self, key: Hashable) -> Any:
        """What is kept under `key`; it is shared, so never change it in place.

        Raises:
            MethodError: nothing is, so the rule asked for a reuse before anything was computed.
        """
        try:
            return self._held[key]
        except KeyError:
            raise MethodError(f"nothing is cached for {key!r}; the method reused before it computed") from None

    def drop(self, key: Hashable) -> None:
        """Let go of what is kept under `key`, if anything, before it is computed anew."""
        self._held.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        """Whether something is kept under `key`."""
        return key in self._held

    def clear(self) -> None:
        """Let go of everything."""
        self._held.clear()

    def nbytes(self) -> int:
        """Bytes of all storages kept alive, each counted once and whole, also where only a view of it is kept."""
        storages = {}
        for tensor in _tensors(self._held):
            storage = tensor.untyped_storage()
            storages[storage._cdata] = storage.nbytes()
        return sum(storages.values())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
