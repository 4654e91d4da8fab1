"""Clips and prompts are encoded for trainings exactly as the pipelines encode and decode them."""

from __future__ import annotations

import pytest
import torch

from harness.discovery import discover_families
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan

TRAINABLE = [Wan(), HunyuanVideo()]
PROMPT = "a red circle moves left"


def clip(sampling, seed=0):
    """A random video in [-1, 1] of the size that is sampled."""
    shape = (1, 3, sampling.num_frames, sampling.height, sampling.width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def first_call(pipeline, family, monkeypatch):
    """Arguments of the first call of the transformer in the making of a video."""
    calls = []
    transformer = family.transformer(pipeline)
    handle = transformer.register_forward_pre_hook(lambda _, args, kwargs: calls.append(kwargs), with_kwargs=True)
    try:
        pipeline(**family.call_arguments(PROMPT, family.tiny_sampling()), output_type="latent")
    finally:
        handle.remove()
    return calls[0]


@pytest.mark.parametrize("family", TRAINABLE, ids=lambda family: family.name)
def test_prompts_become_what_the_pipeline_tells_its_transformer(family, tiny_pipeline, monkeypatch):
    pipeline = tiny_pipeline(family)
    with torch.no_grad():
        made = family.prompt_arguments(pipeline, PROMPT, family.tiny_sampling())
    told = first_call(pipeline, family, monkeypatch)
    tensors = {name for name, value in told.items() if isinstance(value, torch.Tensor)}
    assert set(made) == tensors - {"hidden_states", "timestep"}
    for name, value in made.items():
        torch.testing.assert_close(value, told[name], rtol=0, atol=0)


def test_a_transformer_without_an_embedded_scale_is_told_none(tiny_pipeline, monkeypatch):
    family = HunyuanVideo()
    monkeypatch.setattr(HunyuanVideo, "guidance_embedder", lambda self, transformer: None)
    assert "guidance" not in family.prompt_arguments(tiny_pipeline(family), PROMPT, family.tiny_sampling())


@pytest.mark.parametrize("family", TRAINABLE, ids=lambda family: family.name)
@torch.no_grad()
def test_the_pipeline_undoes_the_normalisation_before_it_decodes(family, monkeypatch):
    pipeline, sampling = family.tiny(0), family.tiny_sampling()
    if family.name == "wan":
        pipeline.vae.register_to_config(latents_mean=[0.5, -1.0, 0.0, 2.0], latents_std=[0.5, 1.0, 2.0, 3.0])
    video, decoded = clip(sampling), []
    latents = family.clean_latents(pipeline, video)
    decode = pipeline.vae.decode
    monkeypatch.setattr(pipeline.vae, "decode", lambda z, **other: decoded.append(z) or decode(z, **other))
    pipeline(
        **family.call_arguments(PROMPT, sampling),
        callback_on_step_end=lambda *_: {"latents": latents},
        output_type="pt",
    )
    torch.testing.assert_close(decoded[0], pipeline.vae.encode(video).latent_dist.mode())


@pytest.mark.parametrize("size", [{"frames": 6}, {"height": 36}])
def test_a_clip_that_would_lose_frames_or_pixels_is_refused(size, tiny_pipeline):
    family = Wan()
    video = torch.zeros(1, 3, size.get("frames", 5), size.get("height", 32), 32)
    with pytest.raises(ValueError, match="multiple of 4 frames and sides that are multiples of 8"):
        family.clean_latents(tiny_pipeline(family), video)


def test_every_other_family_says_why_it_cannot_be_trained():
    for family in discover_families().values():
        if family.name in {one.name for one in TRAINABLE}:
            assert family.untrainable is None
            continue
        for ask in (
            lambda family=family: family.clean_latents(None, torch.zeros(1)),
            lambda family=family: family.prompt_arguments(None, "", family.tiny_sampling()),
        ):
            with pytest.raises(ValueError, match=f"family {family.name} cannot be trained: "):
                ask()
