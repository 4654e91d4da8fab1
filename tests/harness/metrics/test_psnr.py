"""PSNR against the formula written out."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.psnr import IDENTICAL_DB, Psnr


def video(seed, shape=(11, 12, 16, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def by_hand(frames, reference):
    error = np.mean((frames.astype(np.float64) - reference.astype(np.float64)) ** 2)
    return 10 * np.log10(255.0**2 / error)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_formula_over_the_whole_video(seed):
    frames, reference = video(seed), video(seed + 10)
    assert Psnr().score(frames, reference, "any")["psnr"] == pytest.approx(by_hand(frames, reference), abs=1e-5)


def test_error_is_averaged_before_the_logarithm():
    """One bad frame among good ones: the mean of each frame's PSNR would be another number."""
    reference = np.full((4, 8, 8, 3), 100, dtype=np.uint8)
    frames = reference.copy()
    frames[0] += 20
    assert Psnr().score(frames, reference, "")["psnr"] == pytest.approx(10 * np.log10(255**2 / 100))


def test_identical_videos_have_a_finite_number_above_all_others():
    frames = video(0)
    assert Psnr().score(frames, frames.copy(), "") == {"psnr": IDENTICAL_DB}
    almost = np.zeros((4, 128, 128, 3), dtype=np.uint8)
    other = almost.copy()
    other[0, 0, 0, 0] = 1
    assert by_hand(almost, other) > IDENTICAL_DB
    assert Psnr().score(almost, other, "")["psnr"] == IDENTICAL_DB


def test_differences_do_not_wrap_around_8_bits():
    dark, light = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    assert Psnr().score(dark, light, "")["psnr"] == pytest.approx(0, abs=1e-5)
    assert Psnr().score(light, dark, "")["psnr"] == pytest.approx(0, abs=1e-5)


def test_another_shape_or_no_reference_is_an_error_that_says_so():
    with pytest.raises(ValueError, match=r"\(11, 12, 16, 3\) against a reference of shape \(4, 12, 16, 3\)"):
        Psnr().score(video(0), video(0)[:4], "")
    with pytest.raises(ValueError, match="no reference video"):
        Psnr().score(video(0), None, "")
