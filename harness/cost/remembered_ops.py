"""Operators on meta tensors, worked out once for each layout of their arguments."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_Layout = tuple[torch.Size, tuple[int, ...], torch.dtype]


class RememberedOps(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While entered, an operator that returns new tensors is not asked twice which shapes those have.

    On the meta device the shape rules of element-wise operators are Python and take a hundred times as long as making
    the tensor. Views, operators that write to their arguments, and anything with another tensor than a meta one are
    passed on as they are.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: dict[Any, tuple[_Layout, ...]] = {}
        self._plain: dict[Any, bool] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self._is_plain(func):
            return func(*args, **kwargs)
        try:
            key = (func, _key(args), _key(tuple(kwargs.items())))
            layouts = self._known.get(key)
        except TypeError:
            return func(*args, **kwargs)
        if layouts is None:
            output = func(*args, **kwargs)
            made = (output,) if isinstance(output, Tensor) else output
            if all(tensor.is_meta for tensor in made):
                self._known[key] = tuple([(tensor.shape, tensor.stride(), tensor.dtype) for tensor in made])
            return output
        fresh = tuple(
            [torch.empty_strided(shape, stride, dtype=dtype, device="meta") for shape, stride, dtype in layouts]
        )
        return fresh if len(fresh) > 1 else fresh[0]

    def _is_plain(self, func: Any) -> bool:
        """Whether an operator returns tensors that share nothing with its arguments or with each other."""
        plain = self._plain.get(func)
        if plain is None:
            schema = func._schema
            own = all(str(value.type) == "Tensor" and value.alias_info is None for value in schema.returns)
            plain = own and bool(schema.returns) and not schema.is_mutable and not func.is_view
            self._plain[func] = plain = plain and func.overloadpacket.__name__ not in _MAYBE_VIEWS
        return plain


_MAYBE_VIEWS = frozenset({"_reshape_alias", "_unsafe_view", "lift_fresh"})
"""May return their argument's storage, which their schemas do not say."""


def _key(value: Any) -> Any:
    """What of an argument decides the layout of the result.

    Raises:
        TypeError: it is a tensor with values. Looking up what cannot be hashed raises the same.
    """
    if isinstance(value, Tensor):
        if not value.is_meta:
            raise TypeError("values may matter")
        return (value.shape, value.stride(), value.dtype)
    if isinstance(value, tuple | list):
        return tuple([_key(item) for item in value])
    return (type(value), value)
