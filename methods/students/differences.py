"""Weights as 8-bit differences to those of another model of the same architecture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from methods.students.rung import check_state

_LEVELS = 127
"""The largest 8-bit number that has a negative."""


def to_differences(
    tensors: Mapping[str, Tensor], base: Mapping[str, Tensor], where: object
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What is kept of `tensors`, and the scales of their differences to `base`; both on the CPU.

    Of a tensor of two dimensions or more the difference is rounded to int8 by rows: one scale, in float32, for all that
    lies below an index of the first dimension, so that the row's largest difference becomes 127. A row that does not
    differ has scale 0. Vectors are kept themselves, in float32.

    Raises:
        RungError: names or shapes are not those of `base`; `where` is named.
    """
    check_state(tensors, base, where)
    kept, scales = {}, {}
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().float()
        if value.ndim < 2:
            kept[name] = value
            continue
        rows = (value - _like(value, base[name])).flatten(1)
        scale = rows.abs().amax(dim=1) / _LEVELS
        steps = rows / torch.where(scale == 0, 1.0, scale)[:, None]
        kept[name], scales[name] = steps.round().to(torch.int8).reshape(value.shape), scale
    return kept, scales


def from_differences(
    kept: Mapping[str, Tensor], scales: Mapping[str, Tensor], base: Mapping[str, Tensor], where: object
) -> dict[str, Tensor]:
    """The tensors in float32, on the CPU, up to the rounding of `to_differences`, which gave `kept` and `scales`.

    Raises:
        RungError: names or shapes are not those of `base`, or a difference has no scale; `where` is named.
    """
    check_state(kept, base, where)
    differences = {name: value for name, value in kept.items() if value.dtype == torch.int8}
    check_state(scales, {name: value.flatten(1)[:, 0] for name, value in differences.items()}, f"{where} (scales)")
    whole = dict(kept)
    for name, steps in differences.items():
        rows = steps.float().flatten(1) * scales[name][:, None]
        whole[name] = _like(rows, base[name]) + rows.reshape(steps.shape)
    return whole


def _like(value: Tensor, base: Tensor) -> Tensor:
    return base.detach().to(value.device, value.dtype)
