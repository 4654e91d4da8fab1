"""First frames of image-to-video models: which image a video begins with, and how it is fitted to the video's size.

The image of a prompt is the file named like it, `<prompt>.jpg`, as in VBench-I2V's image suite
(Vchitect/VBench@f8a87ce, vbench2_beta_i2v/README.md). Planning finds and hashes it; a worker opens it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ImageError

ENDINGS = (".jpg", ".jpeg", ".png")
"""Tried in this order."""
NOISE = "noise"
"""In place of a path and of a hash: an image of uniform noise, which stands in where a model's stand-in is run."""


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The image one video begins with."""

    path: str
    """File on the driver's machine and, under the same path, on all workers'; or `NOISE`."""
    sha256: str
    """Of the file's content; or `NOISE`."""


def find_first_frames(folder: Path, shown: str, prompts: Sequence[str]) -> tuple[FirstFrame, ...]:
    """The image of each prompt, in the prompts' order. `shown` is the folder as the suite names it.

    Raises:
        ImageError: one line that says how many are missing, and where they belong.
    """
    try:
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        found = [next((f"{prompt}{end}" for end in ENDINGS if f"{prompt}{end}" in there), None) for prompt in prompts]
        missing = [prompt for prompt, name in zip(prompts, found, strict=True) if name is None]
        if missing:
            raise ImageError(
                f"{len(missing)} of {len(prompts)} first frames are missing: put {missing[0] + ENDINGS[0]!r} and so on,"
                f" one image named like each prompt ({', '.join(ENDINGS)}), into folder {shown!r}"
            )
        paths = [folder / name for name in found if name is not None]
        return tuple(FirstFrame(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    except OSError as error:
        raise ImageError(f"first frames in folder {shown!r} cannot be read ({error}); mend the folder") from error


def open_first_frame(frame: FirstFrame, width: int, height: int) -> Any:
    """The image as RGB PIL of exactly this size in pixels.

    The largest centred part of the video's shape is cut out, and resized with Lanczos' filter; nothing is stretched.

    Raises:
        ImageError: the file is gone, is no image, or is not the one that was planned with.
    """
    import numpy as np
    from PIL import Image, ImageOps

    if frame.path == NOISE:
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(pixels)
    name = Path(frame.path).name
    try:
        data = Path(frame.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != frame.sha256:
            raise ImageError(f"first frame {name!r} is not the one that was planned with; run the suite again")
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    except OSError as error:  # also PIL's of a file that is no image
        raise ImageError(
            f"first frame {name!r} cannot be opened ({error}); put it on every worker's machine"
        ) from error
    return ImageOps.fit(upright, (width, height), method=Image.Resampling.LANCZOS)
