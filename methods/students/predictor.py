"""DisCa's predictor: a small network that stands in for a whole stack of blocks, given what the stack last returned."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from methods.families.base import Family

Fusion = Literal["shared", "separate"]
"""`shared`: one MLP joins current and cached tokens in all streams; `separate`: each stream has its own."""


@dataclass(frozen=True)
class PredictorConfig:
    """What a predictor is made of.

    Both published ones have 2 blocks. HunyuanVideo 1.0's joins tokens with a `shared` MLP, as its single-stream blocks
    see video and text as one sequence; 1.5's has `separate` ones. With one stream that is the same.
    """

    num_blocks: int = 2
    fusion: Fusion = "shared"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.num_blocks < 1:
            raise ValueError(f"num_blocks of the predictor is {self.num_blocks}; give at least 1 (the paper's is 2)")
        if self.fusion not in get_args(Fusion):
            raise ValueError(f"fusion of the predictor is {self.fusion!r}; give one of {', '.join(get_args(Fusion))}")


class Predictor(nn.Module):
    """Predicts what a stack of blocks returns from the tokens that enter it and those it returned at an earlier step.

    Source: DisCa, arXiv 2602.05449, README figure (c); Tencent-Hunyuan/DisCa@60d70a2, `disca_utils/predictor.py`.

    Current and cached tokens [batch, tokens, width] are joined along their width and brought back to it by a two-layer
    MLP (SiLU between); the result goes through blocks of the transformer's own last kind, called as that block is:
    with the same modulation, mask and rotary embedding.
    """

    def __init__(self, blocks: Sequence[nn.Module], width: int, streams: tuple[str, ...], fusion: Fusion) -> None:
        """`blocks` take and return `streams` as a family's do (`Family.block_streams`), all `width` wide."""
        super().__init__()
        self.width = width
        self.fusion = nn.ModuleList(_fusion_mlp(width) for _ in (streams if fusion == "separate" else streams[:1]))
        self.blocks = nn.ModuleList(blocks)
        self._where = stream_places(blocks[0], streams)

    def forward(self, cached: tuple[Tensor, ...], *args: Any, **kwargs: Any) -> Any:
        """What the stack would return, in the form in which its last block does.

        `cached` has a tensor for each stream; all else is what the stack's last block is called with, the tokens that
        enter the stack among it.
        """
        streams = read_streams(self._where, args, kwargs)
        mlps = [self.fusion[min(index, len(self.fusion) - 1)] for index in range(len(streams))]
        joined = zip(mlps, streams, cached, strict=True)
        streams = tuple(mlp(torch.cat((now, before), dim=-1)) for mlp, now, before in joined)
        for block in self.blocks:
            output = block(*with_streams(self._where, streams, args), **_replaced(self._where, streams, kwargs))
            streams = (output,) if isinstance(output, Tensor) else tuple(output)
        return streams if len(streams) > 1 else streams[0]


Places = tuple[tuple[str, int], ...]
"""Name and position, among a block's arguments, of each of its streams."""


def stream_places(block: nn.Module, streams: tuple[str, ...]) -> Places:
    """Where a block takes its streams."""
    names = list(inspect.signature(type(block).forward).parameters)[1:]
    return tuple((name, names.index(name)) for name in streams)


def read_streams(places: Places, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The streams among a block's arguments."""
    return tuple(kwargs[name] if name in kwargs else args[index] for name, index in places)


def with_streams(places: Places, streams: tuple[Tensor, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The positional arguments with other streams."""
    found = {index: stream for (_, index), stream in zip(places, streams, strict=True)}
    return tuple(found.get(index, value) for index, value in enumerate(args))


def _replaced(places: Places, streams: tuple[Tensor, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: stream for (name, _), stream in zip(places, streams, strict=True)}
    return {name: found.get(name, value) for name, value in kwargs.items()}


def _fusion_mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))


def unsupported_predictor(family: Family) -> str | None:
    """Why a predictor cannot stand in for this family's stack, or None."""
    if family.name in _ALTERNATING:
        return (
            f"{family.name}'s last block attends over one axis of the video only, so a predictor made of such blocks "
            "would not see the other one"
        )
    return None


_ALTERNATING = ("latte",)
_DEPTHS = ("num_layers", "num_single_layers")
"""What a configuration calls the lengths of its lists of blocks."""


def make_predictor(
    family: Family, transformer: nn.Module, config: PredictorConfig, *, seed: int | None = None
) -> Predictor:
    """A predictor for a transformer: randomly initialised on its device, or without weights where there is no `seed`.

    Its blocks are those that diffusers makes for a transformer of the same configuration but `config.num_blocks` deep,
    so they are of the right class and initialised as a transformer's are. Weights have the types, and attention the
    backend, of the transformer's own last block. Without a `seed` the predictor is on the meta device.

    Raises:
        ValueError: the transformer's configuration does not say how many blocks of each list it has.
    """
    name, blocks = family.block_lists(transformer)[-1]
    made_for: Any = transformer
    depths = {key: config.num_blocks for key in _DEPTHS if made_for.config.get(key) is not None}
    if not depths:
        raise ValueError(
            f"{type(transformer).__name__}'s configuration has none of {', '.join(_DEPTHS)}: the predictor's blocks "
            "cannot be made from it"
        )
    width = made_for.config.num_attention_heads * made_for.config.attention_head_dim
    with torch.random.fork_rng(devices=[]), torch.device("meta" if seed is None else "cpu"):
        if seed is not None:
            torch.manual_seed(seed)
        shallow: Any = type(made_for).from_config({**made_for.config, **depths})
        predictor = Predictor(list(shallow.get_submodule(name)), width, family.block_streams, config.fusion)
    _made_like(predictor, blocks[-1])
    if seed is not None:
        predictor.to(next(blocks[-1].parameters()).device)
    return predictor.eval()


def _made_like(predictor: Predictor, block: nn.Module) -> None:
    types = {name: parameter.dtype for name, parameter in block.named_parameters()}
    predictor.fusion.to(Counter(types.values()).most_common(1)[0][0])
    for own in predictor.blocks:
        for name, parameter in own.named_parameters():
            parameter.data = parameter.data.to(types[name])
        for name, module in block.named_modules():
            processor = getattr(module, "processor", None)
            if hasattr(processor, "_attention_backend"):
                own.get_submodule(name).processor._attention_backend = processor._attention_backend  # type: ignore[union-attr]
