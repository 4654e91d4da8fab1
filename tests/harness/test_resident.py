"""What a resident pipeline hands on; the rest of it is seen through the worker."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InvalidVideoError
from harness.resident import _to_frames
from methods.base import Sampling


class TestFrames:
    sampling = Sampling(num_inference_steps=1, guidance_scale=1.0, height=4, width=6, num_frames=2)

    def test_are_rounded_and_clipped_to_8_bits(self):
        video = np.full((2, 4, 6, 3), 0.5, dtype=np.float32)
        video[0, 0, 0] = (-0.1, 1.1, 0.999)
        frames = _to_frames(video, self.sampling)
        assert frames.dtype == np.uint8
        assert frames[0, 0, 0].tolist() == [0, 255, 255]
        assert frames[1, 0, 0].tolist() == [128, 128, 128]

    @pytest.mark.parametrize("shape", [(2, 6, 4, 3), (1, 4, 6, 3), (2, 4, 6), (2, 4, 6, 4), (0,)])
    def test_of_another_shape_are_refused_with_both_shapes(self, shape):
        with pytest.raises(InvalidVideoError, match="the sampling asks for \\(2, 4, 6, 3\\)"):
            _to_frames(np.zeros(shape), self.sampling)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_that_are_no_numbers_are_refused(self, value):
        video = np.zeros((2, 4, 6, 3))
        video[1, 2, 3, 0] = value
        with pytest.raises(InvalidVideoError, match="NaN or infinity"):
            _to_frames(video, self.sampling)
