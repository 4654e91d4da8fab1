"""MUSIQ, trained on SPAQ: noise, blur and exposure, 0 to 100."""

from __future__ import annotations

from typing import Any

import torch
from pyiqa.archs.musiq_arch import MUSIQ
from vbench.imaging_quality import transform

from ..score import Score, mean_of
from ..video import Video, planes
from ..weights import weights


class Scorer:
    """Frame by frame, at most 512 pixels on the long side."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._model = MUSIQ(pretrained_model_path=weights("pyiqa_model/musiq_spaq_ckpt-358bb6af.pth")).to(device)
        # Not `eval()`: VBench says so to the outermost module alone.
        self._model.training = False

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The mean over frames."""
        images = transform(planes(video.frames), "longer")
        return mean_of([float(self._model(image.unsqueeze(0).to(self._device))) for image in images])
