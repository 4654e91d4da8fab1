"""Likeness of CLIP's features from frame to frame."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as nn
from vbench.utils import clip_transform

from ..clip_model import clip_model
from ..neighbours import consistency
from ..score import Score
from ..video import Video, planes


class Scorer:
    """CLIP ViT-B/32, all frames at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._model = clip_model("ViT-B-32.pt", device)
        self._transform = clip_transform(224)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """Over all frames."""
        images = self._transform(planes(video.frames)).to(self._device)
        features = nn.normalize(self._model.encode_image(images), dim=-1, p=2)
        return consistency([feature.unsqueeze(0) for feature in features])
