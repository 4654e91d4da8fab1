"""How much frames look like the style that the prompt asks for, by CLIP."""

from __future__ import annotations

from typing import Any

import clip
import numpy as np
import torch
from PIL import Image
from vbench.utils import clip_transform_Image

from ..clip_model import clip_model
from ..score import Score
from ..video import Video


class Scorer:
    """CLIP ViT-B/32, frame by frame."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._model = clip_model("ViT-B-32.pt", device)
        self._transform = clip_transform_Image(224)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The mean over frames."""
        if auxiliary is None:
            raise ValueError(f"VBench's list names no style for {video.prompt!r}")
        text = clip.tokenize([auxiliary["appearance_style"]]).to(self._device)
        values = []
        for frame in video.frames:
            image = self._transform(Image.fromarray(frame)).to(self._device)
            _, by_text = self._model(image.unsqueeze(0), text)
            values.append(float(by_text[0][0].cpu()) / 100)
        return Score(float(np.mean(values)), tuple(values))
