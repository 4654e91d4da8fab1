"""GRiT, which finds objects (three dimensions) or describes them (`color`); each of the two is loaded once."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torchvision import transforms
from vbench.third_party.grit_model import DenseCaptioning

from .video import Video, planes
from .weights import weights

FRAMES = 16
LARGEST, SHRUNK = 768, 720
"""Frames whose short side is longer than the first are made as short as the second."""


@cache
def detector(device: torch.device) -> Any:
    """Finds objects and names them."""
    model = DenseCaptioning(device)
    model.initialize_model_det(model_weight=weights("grit_model/grit_b_densecap_objectdet.pth"))
    return model


@cache
def describer(device: torch.device) -> Any:
    """Describes what it finds."""
    model = DenseCaptioning(device)
    model.initialize_model(model_weight=weights("grit_model/grit_b_densecap_objectdet.pth"))
    return model


def shrunk(height: int, width: int) -> tuple[int, int] | None:
    """The size that frames are brought to; None where they stay."""
    short = min(height, width)
    if short <= LARGEST:
        return None
    scale = SHRUNK / short
    return int(scale * height), int(scale * width)


def images(video: Video) -> torch.Tensor:
    """What the detector looks at: float32, `(16, height, width, 3)`, RGB, 0 to 255."""
    found = planes(video.middle(FRAMES))
    size = shrunk(*found.shape[-2:])
    found = found if size is None else transforms.Resize(size=size)(found)
    return found.permute(0, 2, 3, 1)
