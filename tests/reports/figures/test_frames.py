"""Frames read back from mp4 files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import StoreError
from reports.figures.frames import draw, read_frames, strip
from reports.results import collect
from tests.reports.synthetic import synthetic


def test_frames_are_spread_from_first_to_last() -> None:
    """The square of the synthetic clip moves two pixels a frame from column 2."""
    source = synthetic(prompts=1, videos=True)
    path = source.done[source.suite.rows[0].cell_ids[0]].video
    assert path is not None
    frames = read_frames(source, path, 3)
    assert frames.shape == (3, 32, 32, 3)
    lefts = [int(np.argmax(frame[15, :, 0] > 160)) for frame in frames]
    assert lefts == [2, 10, 18]
    assert strip(frames).shape == (128, 3 * 128 + 8, 3)
    assert len(read_frames(source, path, 99)) == 9


def test_broken_and_absent_videos() -> None:
    """One line that names the file."""
    source = synthetic(prompts=1)
    source.files["broken.mp4"] = b"no video"
    for path in ("broken.mp4", "absent.mp4"):
        with pytest.raises(StoreError, match=path):
            read_frames(source, path, 3)


def test_unreadable_row_is_named(tmp_path: Path) -> None:
    """The other rows are still shown."""
    source = synthetic(prompts=1, videos=True)
    video = source.done[source.suite.rows[2].cell_ids[0]].video
    assert video is not None
    source.files[video] = b"no video"
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is not None
    assert "The videos of fewer_steps-10 could not be read." in drawn.caption
