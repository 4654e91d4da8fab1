"""Training the embedded model: a few steps, stopped and continued."""

from __future__ import annotations

import dataclasses

import diffusers
import pytest
import torch

from harness.shapes import train_autoencoder as autoencoder_module
from harness.shapes import train_denoiser as denoiser_module
from harness.shapes.flow_matching import DenoiserTraining, sample_sigma
from harness.shapes.text import MAX_SEQUENCE_LENGTH, build_tokenizer
from harness.shapes.train_autoencoder import AutoencoderTraining, clip_batch, reconstruction_psnr, train_autoencoder
from harness.shapes.train_denoiser import tokenize, train_denoiser


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer clips for the statistics, and no compiler."""
    real = clip_batch
    monkeypatch.setattr(autoencoder_module, "clip_batch", lambda size, generator: real(min(size, 48), generator))
    monkeypatch.setattr(diffusers.WanTransformer3DModel, "compile", lambda self: None)


def log(work):
    return [line.split("\t") for line in (work / "log.tsv").read_text().splitlines()]


def checkpoint(work):
    return torch.load(work / "checkpoint.pt", weights_only=True)


def test_clips_are_in_the_range_the_model_takes_and_belong_to_their_captions():
    clips, captions = clip_batch(3, torch.Generator().manual_seed(0))
    assert clips.shape == (3, 3, 9, 32, 32)
    assert clips.min() == -1
    assert clips.max() == 1
    again, same = clip_batch(3, torch.Generator().manual_seed(0))
    assert torch.equal(clips, again)
    assert captions == same
    assert len(set(captions)) == 3


def test_autoencoder_stops_continues_and_gets_better(tmp_path):
    config = AutoencoderTraining(steps=4, batch_size=4, checkpoint_every=2)
    torch.manual_seed(0)
    clips, _ = clip_batch(8, torch.Generator().manual_seed(1))
    train_autoencoder(dataclasses.replace(config, steps=2), tmp_path)
    assert checkpoint(tmp_path)["step"] == 2
    before = checkpoint(tmp_path)["module"]["decoder.proj_out.weight"]
    trained = train_autoencoder(config, tmp_path)
    assert checkpoint(tmp_path)["step"] == 4
    assert [int(row[0]) for row in log(tmp_path)] == [2, 4]
    assert not torch.equal(checkpoint(tmp_path)["module"]["decoder.proj_out.weight"], before)
    assert float(log(tmp_path)[1][1]) >= float(log(tmp_path)[0][1])  # seconds go on from where they were
    # Training starts from the best linear map, so a handful of steps is already far above chance.
    assert reconstruction_psnr(trained, clips) > 18
    latents = trained.encode(clips).latent_dist.mode()
    mean, std = (
        torch.tensor(trained.config[key])[None, :, None, None, None] for key in ("latents_mean", "latents_std")
    )
    normal = (latents - mean) / std
    assert normal.mean().abs() < 0.3
    assert 0.6 < normal.std() < 1.5


def test_a_finished_autoencoder_is_not_trained_further(tmp_path):
    config = AutoencoderTraining(steps=1, batch_size=2)
    first = train_autoencoder(config, tmp_path)
    second = train_autoencoder(config, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert len(log(tmp_path)) == 1


def test_denoiser_stops_continues_and_averages(tmp_path):
    torch.manual_seed(0)
    autoencoder = autoencoder_module.PatchAutoencoder()
    config = DenoiserTraining(steps=3, batch_size=2, checkpoint_every=2)
    train_denoiser(dataclasses.replace(config, steps=2), autoencoder, tmp_path)
    state = checkpoint(tmp_path)
    assert state["step"] == 2
    averaged = train_denoiser(config, autoencoder, tmp_path)
    later = checkpoint(tmp_path)
    assert later["step"] == 3
    assert [int(row[0]) for row in log(tmp_path)] == [2, 3]
    key = "transformer.proj_out.weight"
    assert not torch.equal(later["module"][key], state["module"][key])
    assert torch.equal(averaged.state_dict()[key], later["averaged"][key])
    # The average lies between where it was and where the weights went.
    decay = min(config.ema_decay, 4 / 13)
    expected = state["averaged"][key] * decay + later["module"][key] * (1 - decay)
    torch.testing.assert_close(later["averaged"][key], expected)
    assert len(averaged.transformer.blocks) >= 12


def test_padded_text_is_zero_as_the_pipeline_makes_it(tmp_path):
    """What the transformer was trained with is what `WanPipeline.encode_prompt` gives it."""
    tokenizer = build_tokenizer()
    denoiser = denoiser_module.Denoiser(tokenizer, 4).eval()
    seen = {}
    denoiser.transformer.forward = lambda latents, timestep, text, return_dict: (
        seen.update(text=text, time=timestep) or (latents,)
    )
    ids, mask = tokenize(tokenizer, ["a small red circle", ""])
    assert ids.shape == mask.shape == (2, MAX_SEQUENCE_LENGTH)
    with torch.no_grad():
        denoiser(torch.zeros(2, 4, 3, 4, 4), torch.tensor([0.25, 1.0]), ids, mask)
    assert seen["time"].tolist() == [250.0, 1000.0]
    assert not seen["text"][mask == 0].any()
    pipeline = diffusers.WanPipeline(
        tokenizer=tokenizer,
        text_encoder=denoiser.text_encoder,
        transformer=None,
        vae=None,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )
    with torch.no_grad():
        positive, negative = pipeline.encode_prompt(
            "a small red circle", "", True, max_sequence_length=MAX_SEQUENCE_LENGTH
        )
    torch.testing.assert_close(seen["text"], torch.cat([positive, negative]))


def test_noise_levels_lie_inside_and_shift_towards_noise():
    levels = [sample_sigma(4000, shift, torch.Generator().manual_seed(0)) for shift in (1.0, 2.0)]
    assert all(level.min() > 0 and level.max() < 1 for level in levels)
    assert levels[0].mean() == pytest.approx(0.5, abs=0.02)
    assert (levels[1] > levels[0]).all()
