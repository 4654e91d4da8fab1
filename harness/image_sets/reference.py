"""What a set of images is compared with: a file in the format of ADM's reference batches.

Such a file (openai/guided-diffusion@22e0df8, evaluations/) holds `mu`, `sigma`, `mu_s`, `sigma_s`, mean and covariance
of the pool and of the spatial features over a whole data set, and `arr_0`, the 10,000 images for precision and recall.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import MetricUnavailableError
from harness.image_sets.features import Array, FeatureExtractor, Features, Gaussian
from harness.video import Frames

IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Reference:
    """The statistics of a data set, and the pool features `(n, 2048)` of images of it, None where nobody needs them."""

    pool: Gaussian
    spatial: Gaussian
    pool_features: Array | None


def file_sha256(path: Path, what: str) -> str:
    """Hash of a file's content.

    Raises:
        MetricUnavailableError: it cannot be read; `what` says what it is and where it was named.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MetricUnavailableError(f"{what}: {path.name} cannot be read ({error.strerror}); put it there") from error


def read_reference(path: Path, extractor: FeatureExtractor, *, with_features: bool) -> Reference:
    """The reference of a file; statistics that it lacks are made from its images.

    Raises:
        MetricUnavailableError: it is none, or has neither statistics nor images.
    """
    try:
        with np.load(path) as arrays:
            there = set(arrays.files)
            whole = {"mu", "sigma", "mu_s", "sigma_s"} <= there
            if "arr_0" not in there and (with_features or not whole):
                wanted = "arr_0 (images)" if whole else "mu, sigma, mu_s and sigma_s, or arr_0 (images)"
                raise MetricUnavailableError(f"reference {path.name} lacks {wanted}; take one in ADM's format")
            features = None
            if with_features or not whole:
                features = Features.joined([extractor.features(part) for part in _batches(arrays["arr_0"])])
            if whole:
                pool, spatial = Gaussian(arrays["mu"], arrays["sigma"]), Gaussian(arrays["mu_s"], arrays["sigma_s"])
            else:
                assert features is not None
                pool, spatial = Gaussian.of(features.pool), Gaussian.of(features.spatial)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise MetricUnavailableError(f"reference {path.name} cannot be used ({error}); take ADM's npz file") from error
    return Reference(pool, spatial, features.pool if with_features and features is not None else None)


def _batches(images: Frames) -> Iterator[Frames]:
    for start in range(0, len(images), IMAGES_AT_ONCE):
        yield images[start : start + IMAGES_AT_ONCE]
