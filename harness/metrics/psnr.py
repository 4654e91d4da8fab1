"""Peak signal-to-noise ratio against the original's video, by torchmetrics."""

from __future__ import annotations

import torch
from torchmetrics.image import PeakSignalNoiseRatio

from harness.metrics.base import Frames, Metric, check_same_shape

FRAMES_AT_ONCE = 8
"""A whole video of 81 frames in 480p would take gigabytes as floating-point numbers."""
IDENTICAL_DB = 100.0
"""Reported for two identical videos, whose PSNR is infinite; the mean over videos stays finite."""


class Psnr(Metric):
    """PSNR in dB over the whole video (one mean squared error over all frames), 8-bit RGB, peak 255."""

    values = ("psnr",)
    needs_reference = True

    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        reference = check_same_shape(frames, reference)
        metric = PeakSignalNoiseRatio(data_range=255.0)
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            metric.update(
                *(torch.from_numpy(part[start : start + FRAMES_AT_ONCE]).double() for part in (frames, reference))
            )
        return {"psnr": min(float(metric.compute()), IDENTICAL_DB)}
