"""What is known of a set of images: Inception's features, and the Gaussian that stands for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.video import Frames

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """Of n images, one line each."""

    pool: Array
    """`(n, 2048)`: the last pooling layer."""
    spatial: Array
    """`(n, 2023)`: the first 7 channels of the 17 x 17 layer `mixed_6/conv`, rows first and channels last."""
    logits: Array
    """`(n, 1008)`: class scores without their bias."""

    @property
    def images(self) -> int:
        """How many images."""
        return len(self.pool)

    @staticmethod
    def joined(parts: Sequence[Features]) -> Features:
        """The features of several sets as of one. ValueError if there are none."""
        arrays = ([getattr(part, name) for part in parts] for name in ("pool", "spatial", "logits"))
        return Features(*(np.concatenate(array) for array in arrays))


class FeatureExtractor:
    """Makes features of images; `name` says which network with which weights, and stands in records."""

    name: str

    def features(self, images: Frames) -> Features:
        """Of `(n, height, width, 3)` 8-bit RGB images."""
        raise NotImplementedError


@dataclass(frozen=True)
class Gaussian:
    """Mean `(d,)` and unbiased covariance `(d, d)` of a set of features."""

    mean: Array
    covariance: Array

    @staticmethod
    def of(features: Array) -> Gaussian:
        """Of `(n, d)` features.

        Raises:
            ValueError: there are fewer than two.
        """
        if len(features) < 2:
            raise ValueError(f"a covariance takes 2 images at least, there are {len(features)}")
        features = np.asarray(features, dtype=np.float64)
        return Gaussian(features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False)))


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """Squared Frechet distance of two Gaussians (arXiv 1706.08500); 0 for equal ones.

    The trace of the square root of the covariances' product is the sum of the roots of the eigenvalues of the symmetric
    `A C A` with `A` the root of the first and `C` the second: real and stable where there are fewer images than
    features and both are singular, for which a general matrix root needs a correction.

    Raises:
        ValueError: they have not the same number of features.
    """
    if one.mean.shape != other.mean.shape or one.covariance.shape != other.covariance.shape:
        raise ValueError(f"features of {one.mean.shape} are compared with a reference of {other.mean.shape}")
    values, vectors = np.linalg.eigh(one.covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    product = root @ other.covariance @ root
    trace = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(min=0)).sum()
    shift = one.mean - other.mean
    distance = shift @ shift + np.trace(one.covariance) + np.trace(other.covariance) - 2 * trace
    # Of equal sets rounding leaves a tiny number of either sign.
    return max(float(distance), 0.0)
