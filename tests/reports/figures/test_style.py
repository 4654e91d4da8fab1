"""One look, for light and dark pages and for colour-blind readers."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from reports.figures.style import DARK, FAINT, INK, PALETTE, PAPER, for_dark_pages, new_figure, save

# Machado, Oliveira and Fernandes, A physiologically-based model for simulation of color vision deficiency, 2009:
# severity 1.0, linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "deuteranopes": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "protanopes": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "tritanopes": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(color: str) -> np.ndarray:
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's ratio of luminances."""
    low, high = sorted(float(TO_XYZ[1] @ linear(color)) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    ratio = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("seen_by", SEEN_BY)
def test_no_two_colours_look_alike(seen_by: str) -> None:
    """CIE 1976 difference; about 2 is just noticeable."""
    seen = [lab(SEEN_BY[seen_by] @ linear(color)) for color in (INK, *PALETTE)]
    assert min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2)) > 10


def test_writing_and_marks_stand_out_on_both_grounds() -> None:
    assert contrast(INK, PAPER) > 7
    assert contrast(DARK[INK], DARK[PAPER]) > 7
    for color in (FAINT, *PALETTE):
        assert contrast(color, PAPER) > 2.2  # and a marker or hatching tells it too
        assert contrast(color, DARK[PAPER]) > 2.9


def test_both_files_are_written_and_equal_data_gives_equal_bytes(tmp_path: Path) -> None:
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        figure = new_figure(2, 2)
        axes = figure.subplots()
        axes.bar([1, 2], [3, 4], hatch="////", color=PALETTE[0], edgecolor=PAPER)
        axes.set_title("bars")
        path = save(figure, folder, "bars")
        assert path == folder / "bars.svg"
        written.append((path.read_bytes(), path.with_suffix(".png").read_bytes()))
    assert written[0] == written[1]
    assert written[0][1].startswith(b"\x89PNG")


def test_ground_writing_and_grid_change_on_a_dark_page(tmp_path: Path) -> None:
    figure = new_figure(2, 2)
    figure.text(0.5, 0.5, "words")
    svg = save(figure, tmp_path, "words").read_text(encoding="utf-8")
    (sheet,) = re.findall(r"@media \(prefers-color-scheme:dark\)\{(.*?)\}</style>", svg)
    for light, dark in DARK.items():
        assert f'[style*="fill: {light.lower()}"],[fill="{light.lower()}"]{{fill:{dark}!important}}' in sheet
    assert svg.count(f"fill: {PAPER.lower()}") >= 2  # the sheet's own, and the ground
    assert f'style="fill: {INK.lower()}' in svg
    assert "fill: #000000" not in svg


def test_without_a_style_sheet_nothing_is_changed() -> None:
    assert for_dark_pages("<svg/>") == "<svg/>"
