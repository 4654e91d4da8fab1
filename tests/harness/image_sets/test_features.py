"""The Frechet distance against closed forms and against torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image import FrechetInceptionDistance

from harness.image_sets.features import Gaussian, frechet_distance


class Identity(nn.Module):
    """A feature extractor whose images are features already."""

    num_features = 12

    def forward(self, features):
        return features


def random(images, features=12, seed=0):
    return np.random.default_rng(seed).normal(size=(images, features))


class TestFrechetDistance:
    def test_of_diagonal_gaussians_is_the_closed_form(self):
        """|m - m'|^2 and the squared differences of the standard deviations."""
        one = Gaussian(np.array([0.0, 1.0, 2.0]), np.diag([1.0, 4.0, 9.0]))
        other = Gaussian(np.array([1.0, 1.0, 0.0]), np.diag([4.0, 4.0, 1.0]))
        assert frechet_distance(one, other) == pytest.approx((1 + 0 + 4) + (1 + 0 + 4))
        assert frechet_distance(other, one) == pytest.approx(10)

    def test_does_not_change_with_the_basis(self):
        rotation = np.linalg.qr(random(3, 3))[0]
        one, other = np.diag([1.0, 4.0, 9.0]), np.array([[2.0, 1, 0], [1, 3, 0], [0, 0, 1]])
        plain = frechet_distance(Gaussian(np.zeros(3), one), Gaussian(np.ones(3), other))
        turned = [rotation @ covariance @ rotation.T for covariance in (one, other)]
        assert frechet_distance(
            Gaussian(np.zeros(3), turned[0]), Gaussian(rotation @ np.ones(3), turned[1])
        ) == pytest.approx(plain)

    def test_of_equal_sets_is_zero_also_where_the_covariance_is_singular(self):
        few = Gaussian.of(random(5, 40))
        assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)

    def test_agrees_with_torchmetrics(self):
        real, fake = random(200), 1.5 * random(150, seed=1) + 0.3
        theirs = FrechetInceptionDistance(feature=Identity())
        theirs.update(torch.from_numpy(real), real=True)
        theirs.update(torch.from_numpy(fake), real=False)
        assert frechet_distance(Gaussian.of(real), Gaussian.of(fake)) == pytest.approx(
            float(theirs.compute()), rel=1e-5
        )

    def test_refuses_features_of_another_number(self):
        with pytest.raises(ValueError, match="are compared with a reference of"):
            frechet_distance(Gaussian.of(random(9, 3)), Gaussian.of(random(9, 4)))


def test_one_image_has_no_covariance():
    with pytest.raises(ValueError, match="takes 2 images at least, there are 1"):
        Gaussian.of(random(1))
