"""Whether both objects of the prompt are found, by GRiT."""

from __future__ import annotations

from typing import Any

import torch
from vbench.multiple_objects import check_generate, get_dect_from_grit

from ..grit import detector, images
from ..score import Score, mean_of
from ..video import Video


class Scorer:
    """16 frames, one by one."""

    def __init__(self, device: torch.device) -> None:
        self._model = detector(device)

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The share of frames."""
        if auxiliary is None:
            raise ValueError(f"VBench's list names no object for {video.prompt!r}")
        found = get_dect_from_grit(self._model, images(video))
        return mean_of([float(check_generate(auxiliary["object"], [frame])) for frame in found])
