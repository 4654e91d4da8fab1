"""Folders of clips: metadata in both formats, frames at the size that is trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.training.clips import Clip, read_clip, read_metadata
from harness.training.config import RungTrainingError
from harness.video import write_lossless
from methods.base import Sampling

SAMPLING = Sampling(num_inference_steps=1, guidance_scale=1.0, height=8, width=8, num_frames=2)


def test_both_formats_say_the_same(clips):
    lines = read_metadata(clips, "text")
    assert [clip.path.name for clip in lines] == ["0.mp4", "1.mp4", "2.mp4"]
    assert [clip.caption for clip in lines] == ["a red circle", "a green circle", "a red circle"]
    (clips / "metadata.jsonl").unlink()
    rows = [f"{clip.path.name},{clip.caption}" for clip in lines]
    (clips / "metadata.csv").write_text("file_name,text\n" + "\n".join(rows) + "\n")
    table = read_metadata(clips, "text")
    assert [(clip.path, clip.caption) for clip in table] == [(clip.path, clip.caption) for clip in lines]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, "has no metadata.jsonl or metadata.csv"),
        ("\n", "names no clips"),
        ("{", "metadata.jsonl:1: Expecting property name"),
        ('{"file_name": "0.mp4"}', "metadata.jsonl:1: has no text 'text'"),
        ('\n["0.mp4"]', "metadata.jsonl:2: has no text 'file_name'"),
        ('{"file_name": "9.mp4", "text": ""}', "'9.mp4' is not there"),
    ],
)
def test_metadata_that_cannot_be_used_is_named(metadata, expected, clips):
    (clips / "metadata.jsonl").unlink()
    if metadata is not None:
        (clips / "metadata.jsonl").write_text(metadata)
    with pytest.raises(RungTrainingError) as raised:
        read_metadata(clips, "text")
    assert expected in str(raised.value)


def written(tmp_path, frames):
    write_lossless(frames, tmp_path / "clip.mkv", 8)
    return Clip(tmp_path / "clip.mkv", "", "metadata.jsonl:1")


def test_a_clip_of_the_very_size_is_only_rescaled_to_minus_one_and_one(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    video = read_clip(written(tmp_path, frames), SAMPLING)
    expected = torch.from_numpy(frames[:2]).float().permute(3, 0, 1, 2)[None] / 127.5 - 1
    torch.testing.assert_close(video, expected)


def test_what_sticks_out_is_cut_off_evenly(tmp_path):
    frames = np.zeros((2, 16, 32, 3), dtype=np.uint8)
    frames[:, :, 8:24] = 255  # the middle square of a frame twice as wide as high
    video = read_clip(written(tmp_path, frames), SAMPLING)
    assert video.shape == (1, 3, 2, 8, 8)
    assert (video[..., 1:-1] > 0.99).all()


def test_too_short_a_clip_is_named(tmp_path):
    clip = written(tmp_path, np.zeros((1, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(RungTrainingError, match=r"metadata.jsonl:1: clip.mkv has 1 frames, 2 are trained on"):
        read_clip(clip, SAMPLING)


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "clip.mkv").write_text("no video")
    with pytest.raises(RungTrainingError, match="cannot be read as a video; remove its line"):
        read_clip(Clip(tmp_path / "clip.mkv", "", "metadata.jsonl:1"), SAMPLING)
