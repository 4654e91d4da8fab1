"""How well a video goes with its prompt, by ViCLIP."""

from __future__ import annotations

from typing import Any

import torch

from ..score import Score
from ..viclip import video_and_text
from ..video import Video


class Scorer:
    """Eight frames against the whole prompt."""

    def __init__(self, device: torch.device) -> None:
        self._model = video_and_text(device)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """One number a video."""
        return self._model.score(video)
