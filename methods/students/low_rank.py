"""Low-rank additions to a transformer's linear layers (LoRA), beside the layers and not in them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The attention projections that get one; Vchitect/DCM@e7e6cac, `target_modules` of its `LoraConfig`."""


class LowRank(nn.Module):
    """(alpha / rank) up(down(x)): what is added to a linear layer's output for the same x (arXiv 2106.09685).

    peft, which has this too, puts a wrapper in the layer's place and renames its weights, so that what a method leaves
    behind would not be the transformer it found; here the layer stays as it is and a hook adds.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        """For `linear`, on its device and in its type. It adds nothing until trained: `up` is zero, `down` random."""
        super().__init__()
        weight = linear.weight
        self.down = nn.Linear(linear.in_features, rank, bias=False, device=weight.device, dtype=weight.dtype)
        self.up = nn.Linear(rank, linear.out_features, bias=False, device=weight.device, dtype=weight.dtype)
        nn.init.zeros_(self.up.weight)
        self._scale = alpha / rank

    def forward(self, hidden_states: Tensor) -> Tensor:
        """What is added."""
        added: Tensor = self.up(self.down(hidden_states)) * self._scale
        return added


def targets(transformer: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    """The linear layers whose dotted names end in one of `TARGETS`, as peft finds them: those of a text refiner too."""
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear) and f".{name}".endswith(tuple(f".{target}" for target in TARGETS)):
            yield name, module
