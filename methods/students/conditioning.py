"""The extra conditions of a student, guidance scale and end of the step, added to its embedding of the timestep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

import torch
from diffusers.models.embeddings import TimestepEmbedding, get_timestep_embedding
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

GuidanceInput = Literal["none", "native", "added"]
"""`native`: the transformer's own argument `guidance`. `added`: an embedder of ours, added to the time embedding."""

SecondTime = Literal["none", "sum", "average"]
"""How r is embedded beside t: not, as embed(t) + embed_r(r), or as (embed(t) + embed_r(r)) / 2."""

SecondTimeValue = Literal["r", "interval"]
"""What of r is embedded: r itself or t - r."""

TIMESTEPS = 1000.0
"""Times and guidance scales are multiplied by this before they are embedded, as the families' timesteps are."""


@dataclass(frozen=True, slots=True)
class ConditioningConfig:
    """Which conditions a student takes beside the timestep, and how they are embedded.

    HunyuanVideo 1.0's distilled students embed the guidance natively and r by `average`; HunyuanVideo 1.5's embed r by
    `sum` (Tencent-Hunyuan/DisCa@ea88975). The original MeanFlow embeds t - r (Gsunshine/meanflow).

    Raises:
        ValueError: a value is not one of those named, or `average` is asked for with `interval`: at r = t the average
            is the embedding of t only if both embedders see the same number.
    """

    guidance: GuidanceInput = "none"
    second_time: SecondTime = "none"
    second_time_value: SecondTimeValue = "r"

    def __post_init__(self) -> None:
        """Refuse what is not known."""
        known = {"guidance": GuidanceInput, "second_time": SecondTime, "second_time_value": SecondTimeValue}
        for name, values in known.items():
            if getattr(self, name) not in get_args(values):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give one of {', '.join(get_args(values))}")
        if self.second_time == "average" and self.second_time_value == "interval":
            raise ValueError("second_time 'average' goes with second_time_value 'r'; for 'interval' give 'sum'")

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """What `as_json` gave.

        Raises:
            ValueError: a field is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if set(found) != known:
            raise ValueError(f"conditioning has missing or unknown fields {sorted(set(found) ^ known)}")
        return cls(**found)

    def as_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of one call, each of shape `(batch,)` or `(1,)`, in float32.

    `guidance` is the scale as papers state it (1 to 8); `t` and `r` are in [0, 1], r <= t: where the step begins and
    where it ends. What a student does not take may be None.
    """

    guidance: Tensor | None = None
    t: Tensor | None = None
    r: Tensor | None = None


class Conditioning(nn.Module):
    """Embedders of the extra conditions, in float32 whatever the transformer's type.

    Each is a sinusoid of as many frequencies as the transformer's own time embedding takes, and an MLP of the same
    width (diffusers' `TimestepEmbedding`). Until `start` or a state dictionary is loaded the weights are random.
    """

    def __init__(self, config: ConditioningConfig, time_embedding: nn.Module) -> None:
        """For a transformer whose `time_embedding` is this module; see `Family.time_embedding`."""
        super().__init__()
        self.config = config
        self.frequencies, width = _widths(time_embedding)
        device = next(time_embedding.parameters()).device
        self.guidance_in = _embedder(self.frequencies, width, device) if config.guidance == "added" else None
        self.second_time_in = _embedder(self.frequencies, width, device) if config.second_time != "none" else None

    def start(self, time_embedding: nn.Module) -> None:
        """Make a student equal to its teacher: for every g, and for every r under `sum` or at r = t under `average`.

        Last layers become zero; under `average` the embedder of r becomes a copy of the time embedding.
        """
        for embedder in (self.guidance_in, self.second_time_in):
            if embedder is not None:
                nn.init.zeros_(embedder.linear_2.weight)
                nn.init.zeros_(embedder.linear_2.bias)
        if self.second_time_in is not None and self.config.second_time == "average":
            self.second_time_in.load_state_dict(time_embedding.state_dict())

    def forward(self, embedded: Tensor, conditions: Conditions) -> Tensor:
        """The time embedding, `(batch, width)`, with the conditions in it; in the type of `embedded`."""
        total = embedded.float()
        if self.second_time_in is not None:
            total = total + self._embed(self.second_time_in, self._second_time(conditions))
            if self.config.second_time == "average":
                total = total / 2
        if self.guidance_in is not None:
            total = total + self._embed(self.guidance_in, _given(conditions.guidance, "guidance"))
        return total.to(embedded.dtype)

    def _second_time(self, conditions: Conditions) -> Tensor:
        r = _given(conditions.r, "r")
        return r if self.config.second_time_value == "r" else _given(conditions.t, "t") - r

    def _embed(self, embedder: nn.Module, value: Tensor) -> Tensor:
        sinusoid = get_timestep_embedding(
            TIMESTEPS * value.float(), self.frequencies, flip_sin_to_cos=True, downscale_freq_shift=0
        )
        # Its own type: under autocast the sinusoid of a large number must not be rounded.
        with _without_autocast(value.device.type):
            embedding: Tensor = embedder(sinusoid)
        return embedding


def attach(conditioning: Conditioning, time_embedding: nn.Module, current: Callable[[], Conditions]) -> RemovableHandle:
    """Put the conditions that `current` gives into what `time_embedding` returns, until the handle is removed.

    A forward hook of torch: autograd and forward-mode differentiation go through it.
    """

    def adjust(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        adjusted: Tensor = conditioning(output, current())
        return adjusted

    return time_embedding.register_forward_hook(adjust)


@contextmanager
def conditioned(conditioning: Conditioning, time_embedding: nn.Module, conditions: Conditions) -> Iterator[None]:
    """While entered, calls of the transformer see these conditions."""
    handle = attach(conditioning, time_embedding, lambda: conditions)
    try:
        yield
    finally:
        handle.remove()


def native_guidance(guidance: Tensor, batch: int) -> Tensor:
    """The transformer's argument `guidance` for scales of shape `(batch,)` or `(1,)`: in float32, times 1000.

    The pipelines make it in the transformer's type, where bfloat16 turns 6000 into 6016.
    """
    return (TIMESTEPS * guidance.float()).expand(batch)


def hold_constant(embedder: nn.Module, guidance: float) -> None:
    """Make a native guidance embedder return, whatever it is given, what it now returns for `guidance`.

    So a student begins as the teacher is at that scale, and learns from there.
    """
    linear: Any = embedder.get_submodule("linear_2")
    frequencies, _ = _widths(embedder)
    with torch.no_grad():
        value = torch.tensor([TIMESTEPS * guidance], device=linear.weight.device)
        sinusoid = get_timestep_embedding(value, frequencies, flip_sin_to_cos=True, downscale_freq_shift=0)
        constant = embedder(sinusoid.to(linear.weight.dtype))[0]
        linear.weight.zero_()
        linear.bias.copy_(constant)


def _without_autocast(device_type: str) -> AbstractContextManager[Any]:
    # The meta device has no autocast to turn off, and refuses to be asked.
    available = torch.amp.is_autocast_available(device_type)
    return torch.autocast(device_type, enabled=False) if available else nullcontext()


def _widths(time_embedding: nn.Module) -> tuple[int, int]:
    first: Any = time_embedding.get_submodule("linear_1")
    last: Any = time_embedding.get_submodule("linear_2")
    return int(first.in_features), int(last.out_features)


def _embedder(frequencies: int, width: int, device: torch.device) -> Any:
    embedding: Any = TimestepEmbedding
    with torch.device(device):
        return embedding(frequencies, width).float()


def _given(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ValueError(f"this student takes {name} and was called without; give it in Conditions")
    return value
