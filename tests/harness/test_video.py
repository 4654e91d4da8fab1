"""Video files: what is lossless comes back bit for bit, what is lossy comes back close."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import StoreError
from harness.video import Frames, frames_sha256, read_video, write_lossless, write_mp4


def noise(frames: int, height: int, width: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def gradient(frames: int, height: int, width: int) -> Frames:
    ramp = np.linspace(0, 200, height)[None, :, None, None] + np.arange(frames)[:, None, None, None]
    return np.broadcast_to(ramp, (frames, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 16, 16), (9, 32, 48), (5, 33, 31)])
def test_lossless_round_trip_is_exact(tmp_path: Path, size: tuple[int, int, int]) -> None:
    frames = noise(*size)
    path = tmp_path / "reference.mkv"
    write_lossless(frames, path, fps=8)
    back = read_video(path)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, frames)
    assert frames_sha256(back) == frames_sha256(frames)


@pytest.mark.parametrize("fps", [8, 15.0, 23.976])
def test_mp4_is_close(tmp_path: Path, fps: float) -> None:
    frames = gradient(9, 32, 48)
    path = tmp_path / "a red ball-0.mp4"
    write_mp4(frames, path, fps=fps)
    back = read_video(path)
    assert back.shape == frames.shape
    assert np.abs(back.astype(int) - frames.astype(int)).mean() < 3


def test_mp4_of_odd_size_repeats_the_border(tmp_path: Path) -> None:
    frames = gradient(3, 33, 31)
    write_mp4(frames, tmp_path / "odd.mp4", fps=8)
    back = read_video(tmp_path / "odd.mp4")
    assert back.shape == (3, 34, 32, 3)
    assert np.abs(back[:, :33, :31].astype(int) - frames.astype(int)).mean() < 3


def test_hash_depends_on_shape_but_not_on_memory_layout() -> None:
    frames = noise(4, 16, 8)
    assert frames_sha256(frames) != frames_sha256(frames.reshape(4, 8, 16, 3))
    assert frames_sha256(np.asfortranarray(frames)) == frames_sha256(frames)


def test_a_damaged_reference_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "reference.mkv"
    write_lossless(noise(5, 32, 32), path, fps=8)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(StoreError, match="run its cell again"):
        read_video(path)


def test_one_flipped_bit_of_a_reference_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "reference.mkv"
    write_lossless(noise(5, 32, 32), path, fps=8)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="run its cell again"):
        read_video(path)


def test_errors_name_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent\.mp4"):
        read_video(tmp_path / "absent.mp4")
    with pytest.raises(StoreError, match="uint8"):
        write_mp4(np.zeros((2, 8, 8, 3), dtype=np.float32), tmp_path / "x.mp4", fps=8)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="above 0"):
        write_mp4(gradient(2, 16, 16), tmp_path / "x.mp4", fps=0)
    with pytest.raises(StoreError, match="cannot be written"):
        write_mp4(gradient(2, 16, 16), tmp_path / "no-such-folder" / "x.mp4", fps=8)
