"""What the embedded model teaches the ladder's teacher."""

from __future__ import annotations

import pytest
import torch

from harness.shapes.flow_matching import noisy_examples
from harness.shapes.ladder import taught
from harness.shapes.ladder.latents import encode_clips
from harness.shapes.ladder.model import embedded_autoencoder
from harness.shapes.ladder.taught import EmbeddedModel, remembered_examples


@pytest.fixture(scope="module")
def clips():
    return encode_clips(embedded_autoencoder(), 48, seed=5)


def test_the_embedded_model_speaks_of_the_same_latents(clips):
    """It is trained on latents normalised apart from the autoencoder, which here are its own."""
    drawn = noisy_examples(clips.latents.float(), clips.captions, 0.0, 2.0, torch.Generator().manual_seed(0))
    said = EmbeddedModel().velocity(drawn.noisy, drawn.sigma, drawn.captions)
    error = (said - drawn.velocity).pow(2).mean()
    assert error < 0.3 * drawn.velocity.pow(2).mean()


def test_examples_are_remembered_and_not_mistaken_for_others(clips, tmp_path, monkeypatch):
    monkeypatch.setattr(taught, "CHUNK", 40)
    made = remembered_examples(tmp_path, clips, 70, 3, 0.5, 2.0)
    again = remembered_examples(tmp_path, clips, 70, 3, 0.5, 2.0)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0000.safetensors", "0001.safetensors"]
    assert not torch.equal(made.noisy[:30], made.noisy[40:])
    assert again.captions == made.captions
    assert 10 < made.captions.count("") < 60
    for name in ("noisy", "sigma", "velocity"):
        assert torch.equal(getattr(made, name), getattr(again, name))
    batch = made.draw(4, torch.Generator().manual_seed(0))
    assert (batch.noisy.shape, batch.noisy.dtype, len(batch.captions)) == ((4, 32, 3, 4, 4), torch.float32, 4)
    with pytest.raises(ValueError, match="seed 3, not 4"):
        remembered_examples(tmp_path, clips, 70, 4, 0.5, 2.0)
