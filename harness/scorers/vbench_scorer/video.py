"""One video file, decoded at most once by each of the two decoders that VBench uses.

VBench reads frames with decord for most dimensions and with OpenCV for those of motion. The two may differ in a bit, so
each dimension gets the decoder it has in VBench.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import cv2
import decord
import numpy as np
import torch
from vbench.utils import get_frame_indices


class Video:
    """A file and the prompt it was made from. Frames are uint8, `(frames, height, width, 3)`."""

    def __init__(self, path: str, prompt: str) -> None:
        self.path = path
        self.prompt = prompt
        with open(path, "rb") as file:
            self.sha256 = hashlib.sha256(file.read()).hexdigest()

    @cached_property
    def frames(self) -> Any:
        """RGB, by decord."""
        return _decord(self.path)

    @cached_property
    def opencv_frames(self) -> list[Any]:
        """RGB, by OpenCV, each `(height, width, 3)`. ValueError where there are none."""
        capture = cv2.VideoCapture(self.path)
        frames = []
        while True:
            there, frame = capture.read()
            if not there:
                break
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        self.fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        if not frames:
            raise ValueError(f"OpenCV finds no frames in {self.path}")
        return frames

    @property
    def frames_per_second(self) -> float:
        """As OpenCV reads it from the file."""
        assert self.opencv_frames
        return float(self.fps)

    def resized(self, height: int, width: int) -> Any:
        """RGB frames as decord itself scales them while it decodes."""
        return _decord(self.path, height=height, width=width)

    def middle(self, count: int, frames: Any = None) -> Any:
        """`count` frames, each from the middle of its share of the video; of a shorter one the last is repeated."""
        frames = self.frames if frames is None else frames
        return frames[get_frame_indices(count, len(frames), sample="middle")]


def planes(frames: Any) -> torch.Tensor:
    """Frames as VBench's transforms take them: float32, `(frames, 3, height, width)`, 0 to 255."""
    return torch.Tensor(frames).permute(0, 3, 1, 2)


def _decord(path: str, **size: int) -> Any:
    decord.bridge.set_bridge("native")
    reader = decord.VideoReader(path, num_threads=1, **size)
    return reader.get_batch(range(len(reader))).asnumpy().astype(np.uint8)
