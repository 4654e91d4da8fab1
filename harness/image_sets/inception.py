"""Inception v3 as FID has always used it, with weights from a file; nothing is downloaded.

The network and its TensorFlow-like resizing are torch-fidelity's, which torchmetrics wraps too; the spatial features
of sFID, which neither gives, are read where ADM's evaluator reads them (openai/guided-diffusion@22e0df8,
evaluations/evaluator.py: tensor `mixed_6/conv`, whose counterpart is the first branch of the third 17 x 17 block).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.errors import MetricUnavailableError, one_line
from harness.image_sets.features import FeatureExtractor, Features
from harness.image_sets.reference import file_sha256
from harness.video import Frames

VARIABLE = "INCEPTION_WEIGHTS"
"""Environment variable with the path of the weights, where the suite names none."""
WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
WEIGHTS_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS_FILE}"
SPATIAL_CHANNELS = 7


def weights_path(named: Path | None) -> Path:
    """The weights' file: what the suite names, else what the environment does.

    Raises:
        MetricUnavailableError: neither names one, or it is not there; with the source of the file.
    """
    path = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if path is None:
        raise MetricUnavailableError(
            f"Inception's weights are missing: get {WEIGHTS_URL} and name the file in ${VARIABLE} or in the suite"
            " (image_set.inception_weights)"
        )
    if not path.is_file():
        raise MetricUnavailableError(f"Inception's weights {path.name!r} are not there: get {WEIGHTS_URL}")
    return path


class Inception(FeatureExtractor):
    """Inception v3 with TensorFlow's weights of 2015-12-05, converted by torch-fidelity."""

    def __init__(self, weights: Path, device: str) -> None:
        """Load the network.

        Raises:
            MetricUnavailableError: torch-fidelity is not installed, or the file does not hold its weights.
        """
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise MetricUnavailableError(f"{error}; pip install torch-fidelity") from error
        try:
            # Read with torch-fidelity's own unrestricted loader, a file could run code; so it is looked at first.
            torch.load(weights, map_location="cpu", weights_only=True)
            self._network: Any = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(weights))
        except Exception as error:  # whatever torch's unpickler stumbles over
            reason = one_line(error)[:200]
            raise MetricUnavailableError(
                f"{weights.name} is not {WEIGHTS_FILE} ({reason}): get {WEIGHTS_URL}"
            ) from error
        self._network.to(device)
        self._device = device
        self._spatial: list[Any] = []
        self._network.Mixed_6d.branch1x1.register_forward_hook(
            lambda module, args, output: self._spatial.append(output)
        )
        self.name = f"inception-v3-{file_sha256(weights, 'weights')[:12]}"

    @torch.no_grad()
    def features(self, images: Frames) -> Features:
        """See `FeatureExtractor.features`."""
        self._spatial.clear()
        pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).to(self._device)
        pool, logits = self._network(pixels)
        (spatial,) = self._spatial
        # TensorFlow has channels last, and so do the statistics in ADM's files.
        spatial = spatial[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1)
        return Features(*(tensor.double().cpu().numpy() for tensor in (pool, spatial, logits)))
