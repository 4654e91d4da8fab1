"""The discriminator of DisCa's adversarial stage: small heads on features that the frozen model itself extracts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Signs = Literal["corrected", "printed"]
"""`corrected`: the discriminator tells the predictor's outputs from the model's. `printed`: Algorithm 3, line 14, as it
stands, where it is rewarded for what the predictor is rewarded for too."""

Pooling = Literal["tokens", "video"]
"""What is judged: each token by itself, or the mean over the tokens of a video."""


@dataclass(frozen=True, slots=True)
class DiscriminatorConfig:
    """Heads of the discriminator.

    The paper says: features of several of the model's layers, spectral norm, hinge loss. Which layers, how deep and
    wide a head is and over what it pools is not published and ours: `num_layers` depths, evenly spread and the last
    among them, and two linear layers of width `head_width` for each.
    """

    num_layers: int = 4
    head_width: int = 64
    pooling: Pooling = "tokens"
    signs: Signs = "corrected"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("num_layers", "head_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of the discriminator is {getattr(self, name)}; give at least 1")
        for name, values in (("pooling", get_args(Pooling)), ("signs", get_args(Signs))):
            if getattr(self, name) not in values:
                raise ValueError(f"{name} of the discriminator is {getattr(self, name)!r}; give {' or '.join(values)}")


class Discriminator(nn.Module):
    """A score for each layer's features, high for the model's own; one head a layer, all with spectral norm.

    Features are first normalised for each token, since the layers of a transformer differ in scale by orders of
    magnitude.
    """

    def __init__(self, width: int, config: DiscriminatorConfig) -> None:
        """For features [batch, tokens, `width`] of `config.num_layers` layers."""
        super().__init__()
        self._pooling = config.pooling
        self.heads = nn.ModuleList(_head(width, config.head_width) for _ in range(config.num_layers))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """A score [batch, tokens] or, pooled over the video, [batch] for each layer."""
        scores = [head(layer).squeeze(-1) for head, layer in zip(self.heads, features, strict=True)]
        return [score.mean(dim=-1) for score in scores] if self._pooling == "video" else scores


def tapped_depths(num_blocks: int, num_layers: int) -> tuple[int, ...]:
    """Depths of the blocks whose outputs are features: evenly spread, the last block's among them.

    Raises:
        ValueError: there are fewer blocks.
    """
    if num_layers > num_blocks:
        raise ValueError(f"num_layers of the discriminator is {num_layers} but there are {num_blocks} blocks")
    return tuple(num_blocks * (index + 1) // num_layers - 1 for index in range(num_layers))


@contextmanager
def tapped(blocks: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """While entered, what the blocks return in their first stream is appended to the list that is yielded."""
    features: list[Tensor] = []

    def tap(module: nn.Module, args: Any, output: Any) -> None:
        features.append(output if isinstance(output, Tensor) else output[0])

    handles = [block.register_forward_hook(tap) for block in blocks]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()


def predictor_adversarial_loss(fake: Sequence[Tensor]) -> Tensor:
    """max(0, 1 - D(fake)), averaged over scores, then layers: 0 once the predictor's pass for the model's."""
    return _mean_over_layers([torch.relu(1 - score) for score in fake])


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor], signs: Signs) -> Tensor:
    """The hinge loss of scores of the model's (`real`) and the predictor's (`fake`) outputs; see `Signs`."""
    high, low = (real, fake) if signs == "corrected" else (fake, real)
    return _mean_over_layers([torch.relu(1 - score) for score in high]) + _mean_over_layers(
        [torch.relu(1 + score) for score in low]
    )


def _mean_over_layers(losses: Sequence[Tensor]) -> Tensor:
    return torch.stack([loss.mean() for loss in losses]).mean()


def _head(width: int, head_width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width, elementwise_affine=False),
        spectral_norm(nn.Linear(width, head_width)),
        nn.SiLU(),
        spectral_norm(nn.Linear(head_width, 1)),
    )
