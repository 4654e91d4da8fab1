"""How well AMT foretells every second frame from its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import vbench
from vbench.motion_smoothness import MotionSmoothness

from ..score import Score
from ..video import Video
from ..weights import weights

CONFIG = Path(vbench.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"


class Scorer:
    """AMT-S, at the video's own resolution."""

    def __init__(self, device: torch.device) -> None:
        self._motion = MotionSmoothness(str(CONFIG), weights("amt_model/amt-s.pth"), device)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """Over every second frame."""
        self._motion.fp.get_frames = lambda path: video.opencv_frames
        return Score(float(self._motion.motion_score(video.path)))
