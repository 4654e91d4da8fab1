"""Blocks with a video and a text stream that attend to each other, as both HunyuanVideos have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from methods.families.base import CachedModule, ModuleKind, Signal

STREAMS = ("hidden_states", "encoder_hidden_states")
"""What a block takes and returns, in order. Its third argument is the time embedding `temb`."""

_MODULES: tuple[tuple[str, ModuleKind], ...] = (
    ("attn", "self_attention"),
    ("ff", "feed_forward"),
    ("ff_context", "feed_forward"),
)


def cached_modules(list_name: str, blocks: Sequence[nn.Module]) -> list[CachedModule]:
    """Attention, which returns a pair of outputs, and the feed-forward modules of both streams, block by block."""
    return [
        CachedModule(f"{list_name}.{index}.{name}", block.get_submodule(name), kind)
        for index, block in enumerate(blocks)
        for name, kind in _MODULES
    ]


def modulated_hidden(block: nn.Module) -> Signal:
    """The video tokens as they enter a block's attention: normalised, scaled and shifted by the time embedding.

    Read at the block's input, so that it is known before a method decides whether the block runs.
    """
    norm = block.get_submodule("norm1")

    def read(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        hidden = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        temb = kwargs["temb"] if "temb" in kwargs else args[2]
        modulated: Tensor = norm(hidden, emb=temb)[0]
        return modulated

    return Signal(block, "input", read)


def blocks_of(transformer: nn.Module, name: str) -> nn.ModuleList:
    """One of the transformer's lists of blocks."""
    blocks = transformer.get_submodule(name)
    assert isinstance(blocks, nn.ModuleList)
    return blocks
