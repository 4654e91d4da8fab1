"""Given noise levels are those the video is sampled at, whatever the pipeline and its scheduler would do."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import UniPCMultistepScheduler

from methods.families.cogvideox import CogVideoX
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.parts.given_sigmas import GivenSigmas
from methods.families.wan import Wan

SIGMAS = (1.0, 0.9, 0.25)


def sampling_of(family, **changed):
    return dataclasses.replace(family.tiny_sampling(), num_inference_steps=3, sigmas=SIGMAS, **changed)


@pytest.mark.parametrize("family", [Wan(), HunyuanVideo()], ids=lambda one: one.name)
def test_a_video_visits_them_and_ends_at_0(tiny_pipeline, family):
    pipeline = tiny_pipeline(family)
    own, sampling = pipeline.scheduler, sampling_of(family)
    with family.scheduled(pipeline, sampling):
        pipeline(**family.call_arguments("a red circle", sampling), output_type="latent")
        assert family.timesteps(pipeline) == pytest.approx([1000.0, 900.0, 250.0])
        assert pipeline.scheduler.sigmas.tolist() == pytest.approx([*SIGMAS, 0.0])
    assert pipeline.scheduler is own


def test_another_solver_is_replaced_by_euler_and_comes_back(tiny_pipeline, monkeypatch):
    pipeline = tiny_pipeline(Wan())
    solver = UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction")
    monkeypatch.setattr(pipeline, "scheduler", solver)
    with Wan().scheduled(pipeline, sampling_of(Wan())):
        scheduler = pipeline.scheduler
        scheduler.set_timesteps(3)
        latents, velocity = torch.ones(1, 2), torch.full((1, 2), 2.0)
        stepped = scheduler.step(velocity, scheduler.timesteps[0], latents, return_dict=False)[0]
        assert torch.allclose(stepped, latents + (0.9 - 1.0) * velocity)
    assert pipeline.scheduler is solver


def test_a_warm_up_takes_the_first_and_more_are_refused():
    scheduler = GivenSigmas(SIGMAS)
    scheduler.set_timesteps(2)
    assert scheduler.sigmas.tolist() == pytest.approx([1.0, 0.9, 0.0])
    with pytest.raises(ValueError, match="4 steps are asked for but the sampling gives 3 sigmas"):
        scheduler.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])


def test_a_shift_beside_them_is_refused(tiny_pipeline):
    pipeline = tiny_pipeline(Wan())
    with (
        pytest.raises(ValueError, match=r"flow_shift is 3\.0 but sigmas are given"),
        Wan().scheduled(pipeline, sampling_of(Wan(), flow_shift=3.0)),
    ):
        pass


def test_what_is_no_flow_has_none(tiny_pipeline):
    pipeline = tiny_pipeline(CogVideoX())
    with (
        pytest.raises(ValueError, match=r"sigmas is \(1\.0, 0\.9, 0\.25\); CogVideoXDDIMScheduler has none"),
        CogVideoX().scheduled(pipeline, sampling_of(CogVideoX())),
    ):
        pass
