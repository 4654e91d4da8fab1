"""Lets HunyuanVideo 1.5's transformer run on the meta device, where tensors have no values to ask for.

Its forward asks for three: whether all image embeddings are zero, and which text and image tokens are valid and which
are padding, to bring them into that order. Neither answer changes a shape or a cost, since padding is computed with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_COMPLEMENT = "_is_complement_of_known_mask"


class KnownMasks(TorchFunctionMode):
    """While entered, tensors on the meta device answer as if every token were valid and an image were given.

    Indexing with a mask keeps everything, indexing with the complement of one (`~mask`) nothing, and `torch.all` is
    False. All else, and every tensor that has values, is left alone.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """See the class."""
        if args and isinstance(args[0], Tensor) and args[0].is_meta:
            if func is torch.all:
                return False
            if func is Tensor.__getitem__ and isinstance(args[1], Tensor) and args[1].dtype == torch.bool:
                return args[0][:0] if hasattr(args[1], _COMPLEMENT) else args[0]
            if func is Tensor.__invert__:
                complement = func(*args)
                setattr(complement, _COMPLEMENT, True)
                return complement
        return func(*args, **(kwargs or {}))


def with_known_masks(transformer: nn.Module) -> nn.Module:
    """The same transformer, whose `forward` now runs under `KnownMasks`."""
    forward = transformer.forward

    @wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        with KnownMasks():
            return forward(*args, **kwargs)

    vars(transformer)["forward"] = run
    return transformer
