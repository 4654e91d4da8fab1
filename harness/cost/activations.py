"""The most memory a transformer call has in use at one time, from the lives of meta tensors."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def peak_live_bytes(transformer: nn.Module, arguments: Mapping[str, Any]) -> int:
    """The largest sum of storages that were alive at one time while the transformer was called, arguments included.

    Weights are not counted. Attention is taken as one that never holds its scores, as fused ones do. Left out is what
    only a device knows: workspaces of kernels, memory the allocator keeps between them, and the device's own context.
    """
    with _FusedAttention(), _LiveBytes() as live:
        live.add(arguments)
        transformer(**arguments)
        peak: int = live.peak
        return peak


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows each storage from the operator that made it until nothing refers to it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._live: dict[int, int] = {}
        self._now = 0

    def add(self, value: Any) -> None:
        """Count the storages in a nest of tensors that are not counted yet."""
        for tensor in tree_iter(value):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self._live:
                    self._live[key] = storage.nbytes()
                    self._now += self._live[key]
                    self.peak = max(self.peak, self._now)
                    weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self._now -= self._live.pop(key)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        # What an operator got was there before: weights, or tensors that are counted.
        given = {tensor.untyped_storage()._cdata for tensor in tree_iter((args, kwargs)) if isinstance(tensor, Tensor)}
        self.add([t for t in tree_iter(output) if isinstance(t, Tensor) and t.untyped_storage()._cdata not in given])
        return output


class _FusedAttention(TorchFunctionMode):
    """Attention on the meta device that makes its output and nothing else; the default there makes all scores."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.nn.functional.scaled_dot_product_attention:
            given = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
            query, value = given["query"], given["value"]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **(kwargs or {}))
