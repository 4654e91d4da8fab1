"""How the outputs of a call lie in memory, so that fresh ones can be made without running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten


@dataclass(frozen=True, slots=True)
class _Place:
    """One output tensor: its storage (that of an input, or as `-1 - index` a fresh one) and how it views that."""

    storage: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: Any
    """In elements, an int: from the input's own offset, or in the fresh storage."""
    dtype: torch.dtype


@dataclass(frozen=True)
class Outputs:
    """The outputs of a call: tensors by layout, everything else by value.

    Which of them share a storage is kept, because caches are measured by storages: two halves of one tensor are one
    allocation, and an output that is a view of an input allocates nothing.
    """

    spec: TreeSpec
    leaves: tuple[Any, ...]
    fresh_bytes: tuple[int, ...]

    @classmethod
    def of(cls, output: Any, arguments: Any) -> Outputs:
        """Describe what a call with `arguments` has returned."""
        given = list(_tensors(arguments))
        inputs = {tensor.untyped_storage()._cdata: index for index, tensor in enumerate(given)}
        leaves, spec = tree_flatten(output)
        fresh: dict[int, int] = {}
        sizes: list[int] = []
        described: list[Any] = []
        for leaf in leaves:
            if not isinstance(leaf, Tensor):
                described.append(leaf)
                continue
            storage = leaf.untyped_storage()
            place, offset = inputs.get(storage._cdata), leaf.storage_offset()
            if place is not None:
                offset -= given[place].storage_offset()
            else:
                if storage._cdata not in fresh:
                    fresh[storage._cdata] = -1 - len(sizes)
                    sizes.append(storage.nbytes())
                place = fresh[storage._cdata]
            described.append(_Place(place, tuple(leaf.shape), tuple(leaf.stride()), offset, leaf.dtype))
        return cls(spec, tuple(described), tuple(sizes))

    def fresh(self, arguments: Any) -> Any:
        """New empty outputs, of a call with other arguments of the same signature."""
        given = list(_tensors(arguments))
        made = [torch.empty(size, dtype=torch.uint8, device="meta") for size in self.fresh_bytes]
        leaves = []
        for leaf in self.leaves:
            if not isinstance(leaf, _Place):
                leaves.append(leaf)
            elif leaf.storage >= 0:
                source = given[leaf.storage]
                leaves.append(source.as_strided(leaf.shape, leaf.stride, source.storage_offset() + leaf.offset))
            else:
                whole = made[-1 - leaf.storage].view(leaf.dtype)
                leaves.append(whole.as_strided(leaf.shape, leaf.stride, leaf.offset))
        return tree_unflatten(leaves, self.spec)


def signature(arguments: Any) -> tuple[Any, ...]:
    """Everything about arguments that decides what a call on the meta device does: equal signatures, equal outputs.

    Of tensors that is the layout and which of them share a storage, of anything else its value; something that cannot
    be compared by value makes the signature unlike any other.
    """
    leaves, spec = tree_flatten(arguments)
    storages: dict[int, int] = {}
    parts: list[Any] = [spec]
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            storage = storages.setdefault(leaf.untyped_storage()._cdata, len(storages))
            parts.append((leaf.shape, leaf.stride(), leaf.dtype, storage))
        elif leaf is None or isinstance(leaf, bool | int | float | str | torch.dtype | torch.device):
            parts.append((type(leaf), leaf))
        else:
            parts.append(object())
    return tuple(parts)


def _tensors(arguments: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_flatten(arguments)[0] if isinstance(leaf, Tensor))
