"""Structural similarity against the original's video, by torchmetrics."""

from __future__ import annotations

import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from harness.metrics.base import Frames, Metric, check_same_shape

FRAMES_AT_ONCE = 8
"""A whole video of 81 frames in 480p would take tens of gigabytes."""


class Ssim(Metric):
    """SSIM in [-1, 1], mean over frames: 11x11 Gaussian window of sigma 1.5, 8-bit RGB (Wang et al. 2004).

    As in torchmetrics, borders are reflected, so that every pixel counts; Wang et al. leave a border of 5 pixels out.
    """

    values = ("ssim",)
    needs_reference = True

    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        reference = check_same_shape(frames, reference)
        total = 0.0
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            video, other = (
                torch.from_numpy(part[start : start + FRAMES_AT_ONCE]).permute(0, 3, 1, 2).double()
                for part in (frames, reference)
            )
            value = structural_similarity_index_measure(video, other, data_range=255.0, reduction="sum")
            assert isinstance(value, torch.Tensor)
            total += float(value)
        return {"ssim": total / len(frames)}
