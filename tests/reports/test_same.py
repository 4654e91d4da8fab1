"""When two generated files mean the same."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from reports.same import same, same_svg

BAR = '<path d="M 1.25 3 L 2.5e-1 4" clip-path="url(#p0123456789)" style="fill: #0072b2"/>'


def test_last_digits_and_hashed_names_do_not_count() -> None:
    assert same_svg(BAR, BAR.replace("1.25", "1.2500004").replace("p0123456789", "pabcdef0123"))


def test_everything_that_is_seen_counts() -> None:
    for other in (
        BAR.replace("1.25", "1.35"),
        BAR.replace("L ", "C "),
        BAR.replace("0072b2", "d55e00"),
        BAR.replace(" 4", " 4 5"),
        BAR.replace("2.5e-1", "2.5"),
    ):
        assert not same_svg(other, BAR)


def picture(value: float) -> str:
    buffer = io.BytesIO()
    imsave(buffer, np.full((2, 2, 3), value), format="png")
    return f'<image href="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"/>'


def test_pictures_are_compared_by_what_they_show() -> None:
    assert same_svg(picture(0.5), picture(0.502))
    assert not same_svg(picture(0.5), picture(0.6))


def test_a_png_is_as_its_svg_is(tmp_path: Path) -> None:
    for name, text in (("a.svg", BAR), ("b.svg", BAR.replace("L ", "C ")), ("a.png", "x"), ("b.png", "y")):
        (tmp_path / name).write_text(text)
    assert same(tmp_path / "a.png", tmp_path / "a.png")
    assert not same(tmp_path / "a.png", tmp_path / "b.png")
    assert not same(tmp_path / "a.png", tmp_path / "absent.png")
