"""Whether enough of a video's frames move enough, by RAFT's optical flow."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from easydict import EasyDict
from vbench.dynamic_degree import DynamicDegree
from vbench.third_party.RAFT.core.utils_core.utils import InputPadder

from ..score import Score
from ..video import Video
from ..weights import weights

FRAMES_PER_SECOND = 8
ITERATIONS = 20


class Scorer:
    """RAFT, of neighbours at about 8 frames per second; 1 or 0."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        model = weights("raft_model/models/raft-things.pth")
        settings = {"model": model, "small": False, "mixed_precision": False, "alternate_corr": False}
        self._dynamic = DynamicDegree(EasyDict(settings), device)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """Look at pairs until the answer is certain: so many move, or too few are left."""
        interval = max(1, round(video.frames_per_second / FRAMES_PER_SECOND))
        frames = [self._plane(frame) for frame in video.opencv_frames[::interval]]
        self._dynamic.set_params(frame=frames[0], count=len(frames))
        threshold, needed = self._dynamic.params["thres"], self._dynamic.params["count_num"]
        moving, left = 0, len(frames) - 1
        for former, frame in pairwise(frames):
            moving += self._motion(former, frame) > threshold
            left -= 1
            if moving >= needed:
                return Score(1.0)
            if moving + left < needed:
                break
        return Score(0.0)

    def _plane(self, frame: Any) -> torch.Tensor:
        plane = torch.from_numpy(frame.astype(np.uint8)).permute(2, 0, 1).float()
        return plane[None].to(self._device)

    def _motion(self, former: torch.Tensor, frame: torch.Tensor) -> float:
        """Mean length of the longest twentieth of the flow, pixels."""
        former, frame = InputPadder(former.shape).pad(former, frame)
        _, flow = self._dynamic.model(former, frame, iters=ITERATIONS, test_mode=True)
        return float(self._dynamic.get_score(former, flow))
