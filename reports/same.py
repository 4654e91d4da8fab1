"""Whether a generated file says what a kept one does.

Tables must be equal. Last digits of intervals depend on the processor, and with them coordinates in a figure; so an SVG
is compared by its text, by its numbers within `TOLERANCE`, and by the pictures in it. A PNG is as its SVG is.
"""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.image import imread

TOLERANCE: Final = 0.05
"""Typographic points: less than a pixel of the PNG."""
PIXEL_TOLERANCE: Final = 2 / 255
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_HASHED: Final = re.compile(r"\b[a-z][0-9a-f]{10}\b")
"""Names that matplotlib makes of what they name."""
_PIXELS: Final = re.compile(r"data:image/png;base64,([^\"]*)")


def same(made: Path, kept: Path) -> bool:
    """Whether two files of one name mean the same; not where one is missing."""
    made, kept = (path.with_suffix(".svg") if path.suffix == ".png" else path for path in (made, kept))
    if not (made.is_file() and kept.is_file()):
        return False
    new, old = made.read_text(encoding="utf-8"), kept.read_text(encoding="utf-8")
    return new == old or (made.suffix == ".svg" and same_svg(new, old))


def same_svg(new: str, old: str) -> bool:
    """Whether two SVG files look alike."""
    pictures = [_PIXELS.findall(text) for text in (new, old)]
    new, old = (_PIXELS.sub("", _HASHED.sub("", text)) for text in (new, old))
    if _NUMBER.sub("", new) != _NUMBER.sub("", old):
        return False
    pairs = zip(_NUMBER.findall(new), _NUMBER.findall(old), strict=True)
    return all(abs(float(left) - float(right)) <= TOLERANCE for left, right in pairs) and all(
        _same_pixels(left, right) for left, right in zip(*pictures, strict=True)
    )


def _same_pixels(new: str, old: str) -> bool:
    left, right = (imread(io.BytesIO(base64.b64decode(encoded)), format="png") for encoded in (new, old))
    return left.shape == right.shape and bool(np.allclose(left, right, rtol=0, atol=PIXEL_TOLERANCE))
