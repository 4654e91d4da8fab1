"""Whether the object of the prompt is described in its colour, by GRiT."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from vbench.color import check_generate, get_dect_from_grit

from ..grit import FRAMES, describer, shrunk
from ..score import Score, Undetected
from ..video import Video


class Scorer:
    """16 frames, one by one."""

    def __init__(self, device: torch.device) -> None:
        self._model = describer(device)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score | Undetected:
        """The share among those frames in which the object is found in any colour."""
        if auxiliary is None:
            raise ValueError(f"VBench's list names no colour for {video.prompt!r}")
        color = auxiliary["color"]
        thing = video.prompt.replace("a ", "").replace("an ", "").replace(color, "").strip()
        frames = video.middle(FRAMES)
        if (size := shrunk(*frames.shape[1:3])) is not None:
            height, width = size
            resized = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in frames]
            frames = np.stack(resized)
        seen, right = check_generate(color, thing, get_dect_from_grit(self._model, frames))
        return Score(right / seen) if seen else Undetected(f"no {thing} is found in any colour")
