"""Structural similarity against the original's video, by torchmetrics."""

from __future__ import annotations

import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from harness.metrics.base import Frames, Metric, check_same_shape


class Ssim(Metric):
    """SSIM in [-1, 1], mean over frames: 11x11 Gaussian window of sigma 1.5, 8-bit RGB (Wang et al. 2004)."""

    values = ("ssim",)
    needs_reference = True

    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        reference = check_same_shape(frames, reference)
        video, other = (torch.from_numpy(part).permute(0, 3, 1, 2).double() for part in (frames, reference))
        value = structural_similarity_index_measure(video, other, data_range=255.0)
        assert isinstance(value, torch.Tensor)
        return {"ssim": float(value)}
