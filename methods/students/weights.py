"""A transformer's own weights replaced by a rung's, and put back exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.students.rung import check_state


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor of a state dictionary is, and what was there before."""

    owner: nn.Module
    name: str
    original: Tensor
    device: torch.device


class ReplacedWeights:
    """Parameters and buffers of one module, replaced by others until `restore`.

    The original tensors are set aside as they are, never written to. On an accelerator their storage waits in host
    memory meanwhile, so that peak memory is that of one transformer; `restore` brings back the same bits.
    """

    def __init__(self) -> None:
        """Nothing is replaced yet."""
        self._places: list[_Place] = []

    def replace(self, module: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
        """Put `tensors`, by the names of the module's state dictionary, in place of its own, in their types.

        Raises:
            RungError: names or shapes are others, `where` is named; nothing was replaced.
        """
        check_state(tensors, module.state_dict(), where)
        for path, original in module.state_dict(keep_vars=True).items():
            owner_path, _, name = path.rpartition(".")
            owner = module.get_submodule(owner_path)
            place = _Place(owner, name, original, original.device)
            value = tensors[path].to(original.device, original.dtype)
            self._places.append(place)
            _set_aside(place)
            if isinstance(original, nn.Parameter):
                owner._parameters[name] = nn.Parameter(value, requires_grad=False)
            else:
                owner._buffers[name] = value

    def restore(self) -> None:
        """Put back what was replaced; nothing to do where nothing was."""
        for place in reversed(self._places):
            if isinstance(place.original, nn.Parameter):
                place.owner._parameters[place.name] = place.original
            else:
                place.owner._buffers[place.name] = place.original
            if place.original.device != place.device:
                place.original.data = place.original.data.to(place.device)
        self._places.clear()


def _set_aside(place: _Place) -> None:
    if place.device.type != "cpu":
        place.original.data = place.original.data.cpu()
