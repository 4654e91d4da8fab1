"""Clips rendered once: the same latents the autoencoder gives, kept on disk, drawn with their captions."""

from __future__ import annotations

import pytest
import torch

from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.ladder.latents import encode_clips, remembered_clips
from harness.shapes.train_autoencoder import clip_batch
from harness.shapes.world import is_held_out, parse_caption


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return PatchAutoencoder(z_dim=4, width=8, encoder_depth=1, decoder_depth=1).eval()


def test_latents_are_those_of_fresh_clips_with_their_captions(autoencoder):
    made = encode_clips(autoencoder, 5, seed=3)
    clips, captions = clip_batch(5, torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = autoencoder.encode(clips).latent_dist.mode()
    torch.testing.assert_close(made.latents.float(), expected, atol=2e-3, rtol=2e-3)
    assert made.captions == captions
    assert not any(is_held_out(parse_caption(caption)) for caption in captions)


def test_a_batch_pairs_latents_with_captions(autoencoder):
    made = encode_clips(autoencoder, 6, seed=0)
    latents, captions = made.draw(20, torch.Generator().manual_seed(0))
    assert latents.dtype == torch.float32
    assert len(set(captions)) > 1
    for each, caption in zip(latents, captions, strict=True):
        same = [index for index in range(6) if torch.equal(made.latents[index].float(), each)]
        assert caption in {made.captions[index] for index in same}
    again, same_captions = made.draw(20, torch.Generator().manual_seed(0))
    assert torch.equal(latents, again)
    assert captions == same_captions


def test_clips_are_rendered_once(autoencoder, tmp_path, monkeypatch):
    path = tmp_path / "deep" / "clips.safetensors"
    made = remembered_clips(path, autoencoder, 4, seed=0)
    monkeypatch.setattr("harness.shapes.ladder.latents.clip_batch", None)
    read = remembered_clips(path, autoencoder, 4, seed=0)
    assert torch.equal(made.latents, read.latents)
    assert made.captions == read.captions


@pytest.mark.parametrize(("count", "seed"), [(5, 0), (4, 1)])
def test_clips_of_another_configuration_are_refused(autoencoder, tmp_path, count, seed):
    path = tmp_path / "clips.safetensors"
    remembered_clips(path, autoencoder, 4, seed=0)
    with pytest.raises(ValueError, match=f"holds 4 clips of seed 0, not {count} of seed {seed}; delete it"):
        remembered_clips(path, autoencoder, count, seed)
