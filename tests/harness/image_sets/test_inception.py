"""The network with random weights: the right layers, in the right order, and no download."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity import feature_extractor_inceptionv3 as upstream

from harness.errors import MetricUnavailableError
from harness.image_sets import inception as module
from harness.image_sets.inception import Inception, weights_path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights of the right architecture."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(upstream, "load_state_dict_from_url", lambda *args, **kwargs: None)
        patch.setattr(upstream.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = upstream.FeatureExtractorInceptionV3("inception", ["2048"])
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def inception(weights):
    return Inception(weights, "cpu")


def test_features_are_those_of_the_layers(inception):
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    seen = []
    handle = inception._network.Mixed_6d.register_forward_hook(lambda module, args, output: seen.append(output))
    found = inception.features(images)
    handle.remove()
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    pool, logits = inception._network(pixels)
    assert (found.pool.shape, found.spatial.shape, found.logits.shape) == ((2, 2048), (2, 17 * 17 * 7), (2, 1008))
    assert np.allclose(found.pool, pool.numpy())
    assert np.allclose(found.logits, pool.numpy() @ inception._network.fc.weight.numpy().T, atol=1e-5)
    assert np.allclose(found.logits, logits.numpy())
    # Rows, columns, then channels; a block's first branch is what its output begins with.
    assert np.allclose(found.spatial.reshape(2, 17, 17, 7), seen[0][:, :7].permute(0, 2, 3, 1).numpy())


def test_each_image_has_its_own_features(inception):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    together, alone = inception.features(images), inception.features(images[1:2])
    assert np.allclose(together.pool[1], alone.pool[0], atol=1e-5)
    assert together.images == 3


def test_the_name_tells_weights_apart(inception, weights, tmp_path):
    assert inception.name.startswith("inception-v3-")
    state = torch.load(weights)
    state["fc.bias"] += 1
    torch.save(state, tmp_path / "other.pth")
    assert Inception(tmp_path / "other.pth", "cpu").name != inception.name


class TestWeights:
    def test_are_named_by_the_suite_or_else_by_the_environment(self, weights, tmp_path, monkeypatch):
        monkeypatch.setenv(module.VARIABLE, str(tmp_path / "nowhere.pth"))
        assert weights_path(weights) == weights
        with pytest.raises(MetricUnavailableError, match=r"'nowhere\.pth' are not there: get https"):
            weights_path(None)
        monkeypatch.delenv(module.VARIABLE)
        with pytest.raises(
            MetricUnavailableError, match=r"are missing: get https.* in \$INCEPTION_WEIGHTS or in the su"
        ):
            weights_path(None)

    @pytest.mark.parametrize("content", [b"text", None])
    def test_that_are_none_are_refused(self, tmp_path, content):
        path = tmp_path / "weights.pth"
        if content is None:
            torch.save({"fc.bias": torch.zeros(1)}, path)
        else:
            path.write_bytes(content)
        with pytest.raises(
            MetricUnavailableError, match=r"weights\.pth is not weights-inception-2015-12-05-6726825d\.pth"
        ):
            Inception(path, "cpu")
