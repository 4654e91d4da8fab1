"""Temporal flickering without VBench's environment; that its digits are VBench's is tested with VBench itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from harness.errors import VBenchError
from harness.vbench.own_scorer import OwnScorer, decoded, temporal_flickering
from harness.vbench.prompts import FLICKERING
from harness.video import write_mp4


def test_it_is_the_mean_change_of_neighbours() -> None:
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    frames[1], frames[2] = 51, 255
    found = temporal_flickering(frames)
    assert found.frame_values == pytest.approx((1 - 51 / 255, 1 - 204 / 255))
    assert found.value == pytest.approx(0.5)


def test_one_frame_has_no_neighbour() -> None:
    assert temporal_flickering(np.zeros((1, 8, 8, 3), np.uint8)).status == "failed"


def test_a_file_is_decoded_as_it_was_written_with_its_hash(tmp_path: Path) -> None:
    still = np.full((4, 32, 48, 3), (200, 30, 30), np.uint8)
    write_mp4(still, tmp_path / "still.mp4", 8)
    blue, green, red = decoded(tmp_path / "still.mp4")[0, 16, 24]
    assert red > 180
    assert max(blue, green) < 50
    answer = OwnScorer().score(tmp_path / "still.mp4", "still", {FLICKERING: None})
    assert answer.found[FLICKERING].value == 1.0
    assert answer.video_sha256 == hashlib.sha256((tmp_path / "still.mp4").read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_what_cannot_be_decoded_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(VBenchError, match=r"broken\.mp4 cannot be decoded"):
        OwnScorer().score(tmp_path / "broken.mp4", "", {FLICKERING: None})
