"""The bad half of a check is bad, and as long as the good one."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from harness.study.degraded import degraded, write_degraded
from harness.video import Frames, read_video, write_mp4


@pytest.fixture
def frames() -> Frames:
    ramp = np.linspace(0, 255, 48).astype(np.uint8)
    return np.broadcast_to(ramp[None, None, :, None], (5, 32, 48, 3)).copy()


def test_it_is_the_same_every_time_and_far_from_the_video(frames: Frames) -> None:
    copy = degraded(frames)
    assert copy.shape == frames.shape
    assert copy.dtype == np.uint8
    assert np.array_equal(copy, degraded(frames))
    psnr = 10 * np.log10(255**2 / np.mean((copy.astype(float) - frames) ** 2))
    assert psnr < 15


def test_sides_that_blocks_do_not_divide(frames: Frames) -> None:
    assert degraded(frames[:, :31, :45]).shape == (5, 31, 45, 3)


def test_the_file_plays_as_fast_as_the_video(tmp_path: Path, frames: Frames) -> None:
    write_mp4(frames, tmp_path / "video.mp4", 12.5)
    write_degraded(tmp_path / "video.mp4", tmp_path / "copy.mp4")
    assert read_video(tmp_path / "copy.mp4").shape == frames.shape
    with av.open(str(tmp_path / "copy.mp4")) as copy:
        assert float(copy.streams.video[0].average_rate or 0) == 12.5
