"""Whether Tag2Text's captions name the scene."""

from __future__ import annotations

from typing import Any

import torch
from vbench.scene import check_generate, get_caption
from vbench.third_party.tag2Text.tag2text import tag2text_caption
from vbench.utils import tag2text_transform

from ..score import Score, mean_of
from ..video import Video
from ..weights import weights

SIZE = 384
FRAMES = 16


class Scorer:
    """Tag2Text with Swin-B, 16 frames at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        pretrained = weights("caption_model/tag2text_swin_14m.pth")
        self._model = tag2text_caption(pretrained=pretrained, image_size=SIZE, vit="swin_b").eval().to(device)
        self._transform = tag2text_transform(SIZE)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The share of frames."""
        if auxiliary is None:
            raise ValueError(f"VBench's list names no scene for {video.prompt!r}")
        frames = video.middle(FRAMES, video.resized(SIZE, SIZE))
        images = torch.cat([self._transform(frame).to(self._device).unsqueeze(0) for frame in frames])
        captions = get_caption(self._model, images)
        return mean_of([float(check_generate(auxiliary["scene"], [caption])) for caption in captions])
