"""LPIPS: never a number from weights that are not the published ones, and the package's own number otherwise."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
import torchvision

from harness.errors import MetricUnavailableError
from harness.metrics import lpips as module
from harness.metrics.lpips import BACKBONE_FILE, BACKBONE_URL, Lpips


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """An empty checkpoint folder in place of the user's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def backbone(checkpoints, monkeypatch):
    """An AlexNet of random weights, published under its own hash for this test."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.alexnet(weights=None)
    # Only the features are used; the classifier's 220 MB would be written in vain.
    unwritten = checkpoints / "unnamed.pth"
    torch.save(network.state_dict(), unwritten)
    digest = hashlib.file_digest(unwritten.open("rb"), "sha256").hexdigest()
    name = f"alexnet-random-{digest[:8]}.pth"
    unwritten.rename(checkpoints / name)
    monkeypatch.setattr(module, "BACKBONE_FILE", name)
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    url = f"https://download.pytorch.org/models/{name}"
    monkeypatch.setattr(weights, "_value_", weights.value.__class__(url, *list(vars(weights.value).values())[1:]))
    return checkpoints / name


def video(seed, frames=3, side=64):
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), dtype=np.uint8)


def test_without_weights_it_is_unavailable_and_says_what_to_put_where(checkpoints):
    with pytest.raises(MetricUnavailableError) as caught:
        Lpips().score(video(0), video(1), "")
    said = str(caught.value)
    assert all(part in said for part in (BACKBONE_FILE, str(checkpoints), BACKBONE_URL))
    assert "\n" not in said


def test_another_file_under_the_right_name_is_refused(checkpoints):
    (checkpoints / BACKBONE_FILE).write_bytes(b"not AlexNet")
    with pytest.raises(MetricUnavailableError) as caught:
        Lpips().score(video(0), video(1), "")
    found = hashlib.sha256(b"not AlexNet").hexdigest()[:8]
    assert all(
        part in str(caught.value) for part in (str(checkpoints / BACKBONE_FILE), found, "7be5be79", BACKBONE_URL)
    )


def test_is_the_packages_own_number_mean_over_frames(backbone, monkeypatch):
    import lpips

    frames, reference = video(0), video(1)
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", 2)
    metric = Lpips()
    found = metric.score(frames, reference, "")["lpips"]
    network = lpips.LPIPS(net="alex", verbose=False).eval()
    own = [lpips.im2tensor(part) for pair in zip(frames, reference, strict=True) for part in pair]
    with torch.no_grad():
        expected = np.mean([float(network(own[i], own[i + 1])) for i in range(0, len(own), 2)])
    assert found == pytest.approx(expected, rel=1e-5)
    assert found > 0
    assert metric.score(frames, frames.copy(), "") == {"lpips": 0.0}
    with pytest.raises(ValueError, match="against a reference of shape"):
        metric.score(frames, reference[:2], "")


def test_lower_is_better():
    assert not Lpips.higher_is_better
