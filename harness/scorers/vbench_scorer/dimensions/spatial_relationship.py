"""Whether two objects lie to each other as the prompt says, by GRiT."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from vbench.spatial_relationship import check_generate, get_dect_from_grit

from ..grit import detector, images
from ..score import Score
from ..video import Video


class Scorer:
    """16 frames, one by one."""

    def __init__(self, device: torch.device) -> None:
        self._model = detector(device)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The mean over frames."""
        if auxiliary is None:
            raise ValueError(f"VBench's list names no relationship for {video.prompt!r}")
        frames = check_generate(auxiliary["spatial_relationship"], get_dect_from_grit(self._model, images(video)))
        return Score(float(np.mean(frames)), tuple(frames))
