"""Metrics of sets on features whose scores are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image import InceptionScore as TheirInceptionScore

from harness.discovery import SET_METRICS, load_set_metric, names
from harness.errors import MetricUnavailableError
from harness.image_sets.features import Features, Gaussian
from harness.image_sets.reference import Reference
from harness.metrics.sets import inception_score


def features(pool=None, spatial=None, logits=None, images=8):
    empty = np.zeros((images, 2))
    return Features(*(empty if array is None else np.asarray(array, float) for array in (pool, spatial, logits)))


def reference(pool=None, spatial=None):
    of = Gaussian(np.zeros(2), np.eye(2))
    return Reference(pool=of, spatial=spatial or of, pool_features=None if pool is None else np.asarray(pool, float))


def score(name, *arguments):
    return load_set_metric(name)().score(*arguments)


class Identity(nn.Module):
    def forward(self, logits):
        return logits


def test_every_metric_is_found_and_gives_what_it_says():
    assert names(SET_METRICS) == ("fid", "inception_score", "precision_recall", "sfid")
    rng = np.random.default_rng(0)
    some = Features(*(rng.normal(size=(20, 2)) for _ in range(3)))
    for name in names(SET_METRICS):
        assert tuple(score(name, some, reference(some.pool))) == load_set_metric(name).values


@pytest.mark.parametrize("name", ["fid", "sfid", "precision_recall"])
def test_without_a_reference_the_remedy_is_named(name):
    with pytest.raises(
        MetricUnavailableError, match=r"there is no reference: name an npz file .* image_set\.reference"
    ):
        score(name, features(), None)


class TestFrechet:
    def test_fid_is_of_the_pool_and_sfid_of_the_spatial_features(self):
        """Four points with mean (3, 0) and covariance I, against N(0, I): 9. The others at the mean: 0."""
        corners = np.sqrt(0.75) * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
        moved = features(pool=corners + np.array([3, 0]), spatial=corners)
        assert score("fid", moved, reference())["fid"] == pytest.approx(9)
        assert score("sfid", moved, reference())["sfid"] == pytest.approx(0, abs=1e-9)


class TestInceptionScore:
    def test_is_the_number_of_classes_where_each_image_is_surely_of_another(self):
        assert score("inception_score", features(logits=1000 * np.eye(7)), None)["inception_score"] == pytest.approx(7)

    def test_is_one_where_all_images_look_alike(self):
        alike = np.tile(np.arange(5.0), (9, 1))
        assert score("inception_score", features(logits=alike), None)["inception_score"] == pytest.approx(1)

    def test_agrees_with_torchmetrics(self):
        logits = 3 * np.random.default_rng(0).normal(size=(60, 10))
        theirs = TheirInceptionScore(feature=Identity(), splits=1)
        theirs.update(torch.from_numpy(logits))
        mean, _ = theirs.compute()
        assert score("inception_score", features(logits=logits), None)["inception_score"] == pytest.approx(float(mean))

    def test_is_the_mean_over_parts(self, monkeypatch):
        monkeypatch.setattr(inception_score, "IMAGES_A_PART", 4)
        logits = np.concatenate([1000 * np.eye(4), np.zeros((4, 4))])
        assert score("inception_score", features(logits=logits), None)["inception_score"] == pytest.approx((4 + 1) / 2)


class TestPrecisionRecall:
    line = np.array([[float(x), 0] for x in range(10)])
    """Ten features at distance 1; the third nearest of an inner one is 2 away, of an end 3."""

    def test_of_equal_sets_are_one(self):
        assert score("precision_recall", features(pool=self.line), reference(self.line)) == {
            "precision": 1.0,
            "recall": 1.0,
        }

    def test_of_sets_far_apart_are_zero(self):
        far = self.line + np.array([0, 100])
        assert score("precision_recall", features(pool=far), reference(self.line)) == {"precision": 0.0, "recall": 0.0}

    def test_of_a_set_that_stays_in_one_corner_is_precise_and_forgets_the_rest(self):
        """Five images from 0 to 0.4: within the reference, and reaching only its feature at 0, since their balls end
        at 0.7 (0.4 and its third neighbour 0.1)."""
        corner = np.array([[x / 10, 0] for x in range(5)])
        found = score("precision_recall", features(pool=corner), reference(self.line))
        assert found == {"precision": 1.0, "recall": 0.1}

    def test_of_half_a_set_of_strays_is_half_as_precise(self):
        strays = np.concatenate([self.line, self.line + np.array([0, 100])])
        assert score("precision_recall", features(pool=strays), reference(self.line)) == {
            "precision": 0.5,
            "recall": 1.0,
        }

    def test_a_feature_on_the_edge_of_a_ball_is_within(self):
        edge = np.tile([12.0, 0], (4, 1))
        found = score("precision_recall", features(pool=edge), reference(self.line))
        assert found["precision"] == 1.0

    def test_take_four_images_a_side_and_images_of_the_reference(self):
        with pytest.raises(ValueError, match="3 images against 10: each side needs 4"):
            score("precision_recall", features(pool=self.line[:3]), reference(self.line))
        with pytest.raises(MetricUnavailableError, match="the reference has no images"):
            score("precision_recall", features(pool=self.line), reference())
