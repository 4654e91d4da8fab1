"""The bad half of an attention check: a copy of a video so damaged that whoever looks prefers the video itself.

The other half is that video. A pair of equal videos would be no check: either answer can be given with care.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from harness.video import Frames, read_video, write_mp4

MOSAIC_BLOCKS = 8
"""Along the shorter side."""
NOISE_LEVELS = 64.0
"""Standard deviation of the noise, of 255 levels."""


def degraded(frames: Frames) -> Frames:
    """A mosaic under noise; uint8 (T, H, W, 3) in and out, the same for the same frames."""
    height, width = frames.shape[1:3]
    block = max(1, min(height, width) // MOSAIC_BLOCKS)
    noise = np.random.default_rng(0)
    damaged = np.empty_like(frames)
    for index, frame in enumerate(frames):
        mosaic = frame[::block, ::block].repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
        damaged[index] = np.clip(mosaic + noise.normal(0.0, NOISE_LEVELS, frame.shape), 0, 255)
    return damaged


def write_degraded(video: Path, copy: Path) -> None:
    """Write the damaged copy of a video file, as fast as the video itself. StoreError if it cannot be read."""
    frames = read_video(video)
    with av.open(str(video)) as source:
        rate = source.streams.video[0].average_rate
    write_mp4(degraded(frames), copy, float(rate or 1))
