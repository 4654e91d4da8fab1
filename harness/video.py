"""Video files: H.264 for people and for VBench, FFV1 where every bit counts. Frames are uint8 (T, H, W, 3) RGB."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreError

Frames = NDArray[np.uint8]

H264_CRF = 18
"""Constant rate factor; 18 is where people stop seeing the loss. Fidelity is never measured on these files."""

_HASH_TAG = "FRAMES_SHA256"


def frames_sha256(frames: Frames) -> str:
    """Hash of shape and pixels, so that equal bytes of another shape do not collide. StoreError for other arrays."""
    _require_frames(frames, "frames_sha256")
    digest = hashlib.sha256("x".join(map(str, frames.shape)).encode())
    digest.update(np.ascontiguousarray(frames).data)
    return digest.hexdigest()


def write_mp4(frames: Frames, path: str | Path, fps: float) -> None:
    """Write H.264 yuv420p, which every player opens.

    That format needs even sides: an odd one is extended by repeating its last row or column, so a file may be one
    pixel larger than its frames. Raises StoreError if the frames are not a video or the file cannot be written.
    """
    _require_frames(frames, str(path))
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    options = {"crf": str(H264_CRF), "preset": "medium", "movflags": "+faststart"}
    _encode(even, path, fps, codec="libx264", pixel_format="yuv420p", container="mp4", options=options, tags={})


def write_lossless(frames: Frames, path: str | Path, fps: float) -> None:
    """Write FFV1 in Matroska, from which `read_video` returns exactly these frames. StoreError as in `write_mp4`."""
    _require_frames(frames, str(path))
    # ffmpeg paints over damaged parts in silence; with its own hash inside, the file is refused instead.
    tags = {_HASH_TAG: frames_sha256(frames)}
    _encode(
        frames, path, fps, codec="ffv1", pixel_format="bgr0", container="matroska", options={"level": "3"}, tags=tags
    )


def read_video(path: str | Path) -> Frames:
    """All frames of a video file, as uint8 (T, H, W, 3) RGB. Raises StoreError if it is absent, damaged or empty."""
    try:
        with av.open(str(path)) as source:
            # One thread: an actor owns its cores, and a decoder that takes them all slows the neighbours' timed runs.
            source.streams.video[0].thread_count = 1
            expected = source.metadata.get(_HASH_TAG)
            frames = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise StoreError(f"video {str(path)!r} cannot be read ({error}); remove it and run its cell again") from error
    if not frames:
        raise StoreError(f"video {str(path)!r} holds no frames; remove it and run its cell again")
    video: Frames = np.stack(frames).astype(np.uint8, copy=False)
    if expected is not None and frames_sha256(video) != expected:
        raise StoreError(f"video {str(path)!r} is damaged (its frames' hash differs); remove it and run its cell again")
    return video


def _encode(
    frames: Frames,
    path: str | Path,
    fps: float,
    *,
    codec: str,
    pixel_format: str,
    container: str,
    options: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    if not fps > 0:
        raise StoreError(f"fps of {str(path)!r} is {fps}; give a number above 0")
    try:
        with av.open(str(path), "w", format=container) as sink:
            rate = Fraction(fps).limit_denominator(1001)
            stream = cast(Any, sink.add_stream(codec, rate=rate, options=dict(options)))
            sink.metadata.update(tags)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixel_format
            # As in reading: the other cores are the neighbours'.
            stream.thread_count = 1
            for image in frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                sink.mux(stream.encode(frame))
            sink.mux(stream.encode(None))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        Path(path).unlink(missing_ok=True)
        raise StoreError(
            f"video {str(path)!r} cannot be written as {codec} ({error}); check the folder and the free space"
        ) from error


def _require_frames(frames: Frames, where: str) -> None:
    shape = getattr(frames, "shape", None)
    dtype = getattr(frames, "dtype", None)
    if dtype != np.uint8 or shape is None or len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise StoreError(f"{where}: frames are {dtype} {shape}; give non-empty uint8 (T, H, W, 3) RGB")
