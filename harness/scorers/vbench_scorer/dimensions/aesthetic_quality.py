"""LAION's linear predictor on CLIP's features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as nn
from vbench.aesthetic_quality import batch_size, get_aesthetic_model
from vbench.utils import clip_transform

from ..clip_model import clip_model
from ..score import Score
from ..video import Video, planes
from ..weights import weights


class Scorer:
    """CLIP ViT-L/14 and one linear layer, over all frames."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        head = Path(weights("aesthetic_model/emb_reader/sa_0_4_vit_l_14_linear.pth"))
        self._head = get_aesthetic_model(str(head.parent)).to(device)
        self._clip = clip_model("ViT-L-14.pt", device)
        self._transform = clip_transform(224)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The mean over frames, of 10."""
        parts = []
        images = planes(video.frames)
        for start in range(0, len(images), batch_size):
            batch = self._transform(images[start : start + batch_size]).to(self._device)
            features = nn.normalize(self._clip.encode_image(batch).to(torch.float32), dim=-1, p=2)
            parts.append(self._head(features).squeeze(dim=-1))
        found = torch.cat(parts, dim=0) / 10
        return Score(torch.mean(found, dim=0, keepdim=True).item(), tuple(found.tolist()))
