"""Peak signal-to-noise ratio against the original's video, by torchmetrics."""

from __future__ import annotations

import torch
from torchmetrics.functional.image import peak_signal_noise_ratio

from harness.metrics.base import Frames, Metric, check_same_shape

IDENTICAL_DB = 100.0
"""Reported for two identical videos, whose PSNR is infinite; the mean over videos stays finite."""


class Psnr(Metric):
    """PSNR in dB over the whole video (one mean squared error over all frames), 8-bit RGB, peak 255."""

    values = ("psnr",)
    needs_reference = True

    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        reference = check_same_shape(frames, reference)
        value = peak_signal_noise_ratio(
            torch.from_numpy(frames).double(), torch.from_numpy(reference).double(), data_range=255.0
        )
        return {"psnr": min(float(value), IDENTICAL_DB)}
