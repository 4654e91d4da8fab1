"""SSIM against Wang et al.'s formula written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.ssim import Ssim


def window():
    places = np.arange(11) - 5
    line = np.exp(-(places**2) / (2 * 1.5**2))
    plane = np.outer(line, line)
    return plane / plane.sum()


def by_hand(frames, reference):
    """Mean over frames, channels and all pixels, borders reflected."""
    c1, c2, weights = (0.01 * 255) ** 2, (0.03 * 255) ** 2, window()

    def smooth(plane):
        return np.einsum("ijkl,kl->ij", np.lib.stride_tricks.sliding_window_view(plane, (11, 11)), weights)

    values = []
    for x, y in zip(frames.astype(np.float64), reference.astype(np.float64), strict=True):
        for channel in range(3):
            a, b = (np.pad(part[..., channel], 5, mode="reflect") for part in (x, y))
            mean_a, mean_b = smooth(a), smooth(b)
            var_a, var_b = smooth(a * a) - mean_a**2, smooth(b * b) - mean_b**2
            both = smooth(a * b) - mean_a * mean_b
            top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
            values.append(np.mean(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))
    return np.mean(values)


def video(seed, shape=(11, 24, 20, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("noise", [3, 30, 255])
def test_equals_the_formula_mean_over_frames(noise):
    frames = video(0)
    change = np.random.default_rng(1).integers(-noise, noise + 1, frames.shape)
    reference = np.clip(frames.astype(int) + change, 0, 255).astype(np.uint8)
    assert Ssim().score(frames, reference, "")["ssim"] == pytest.approx(by_hand(frames, reference), abs=1e-6)


def test_identical_videos_score_one_and_an_inverted_one_less_than_noise():
    frames = video(0)
    same = Ssim().score(frames, frames.copy(), "")["ssim"]
    other = Ssim().score(frames, video(1), "")["ssim"]
    inverted = Ssim().score(frames, 255 - frames, "")["ssim"]
    assert same == pytest.approx(1)
    assert inverted < other < 0.2


def test_another_shape_or_no_reference_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="against a reference of shape"):
        Ssim().score(video(0), video(0)[:, :16], "")
    with pytest.raises(ValueError, match="no reference video"):
        Ssim().score(video(0), None, "")
