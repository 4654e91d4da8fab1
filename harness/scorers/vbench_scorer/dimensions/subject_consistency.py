"""Likeness of DINO's features from frame to frame."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as nn
from vbench.utils import dino_transform

from ..neighbours import consistency
from ..score import Score
from ..video import Video, planes
from ..weights import weights


class Scorer:
    """DINO ViT-B/16, frame by frame."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        folder = weights("dino_model/facebookresearch_dino_main")
        self._model = torch.hub.load(folder, "dino_vitb16", source="local").to(device)  # type: ignore[no-untyped-call]
        self._transform = dino_transform(224)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """Over all frames."""
        images = self._transform(planes(video.frames))
        # One at a time, as VBench does: in a batch the last digits would be others.
        features = [self._model(image.unsqueeze(0).to(self._device)) for image in images]
        return consistency([nn.normalize(feature, dim=-1, p=2) for feature in features])
