"""VBench's dimension that needs no model, scored here: temporal flickering.

Equal to VBench 0.1.5 (vbench/temporal_flickering.py) to the last digit: 1 minus the mean absolute difference of
neighbouring frames, of 255, in 32-bit floating point as there. Frames are decoded as OpenCV decodes them, for which the
file must be what the harness writes (H.264, 4:2:0).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from harness.errors import VBenchError
from harness.vbench.found import Answer, Found
from harness.vbench.prompts import FLICKERING

OWN_DIMENSIONS: Final = (FLICKERING,)
"""What is scored without VBench's environment."""


class OwnScorer:
    """In the harness's own process."""

    versions: Mapping[str, str] = {"av": av.__version__, "numpy": np.__version__}
    unavailable: Mapping[str, str] = {}

    def score(self, video: Path, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """As `VideoScorer.score`."""
        try:
            sha256 = hashlib.sha256(video.read_bytes()).hexdigest()
            found = temporal_flickering(decoded(video))
        except (av.error.FFmpegError, OSError, IndexError) as error:
            raise VBenchError(f"{video.name} cannot be decoded ({error}); remove it and run its cell again") from None
        return Answer(sha256, dict.fromkeys(wanted, found))

    def close(self) -> None:
        """Nothing to let go of."""


def decoded(video: Path) -> NDArray[np.uint8]:
    """Frames of a file, `(frames, height, width, 3)`, in OpenCV's order of channels: a sum of float32 depends on it."""
    with av.open(str(video)) as source:
        source.streams.video[0].thread_count = 1
        return np.stack([frame.to_ndarray(format="bgr24") for frame in source.decode(video=0)])


def temporal_flickering(frames: NDArray[np.uint8]) -> Found:
    """The score of a video, and of each pair of neighbours."""
    if len(frames) < 2:
        return Found("failed", "a video of one frame does not flicker")
    # Two at a time: a whole video would take four times the room as floating-point numbers.
    changes = [
        np.mean(np.abs(former.astype(np.float32) - frame.astype(np.float32))) for former, frame in pairwise(frames)
    ]
    value = (255.0 - np.mean(np.array(changes)).item()) / 255.0
    return Found("ok", value=value, frame_values=tuple((255.0 - change.item()) / 255.0 for change in changes))
