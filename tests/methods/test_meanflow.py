"""MeanFlow at inference: each call is told where its step ends."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.base import MethodError
from methods.families.wan import Wan
from methods.meanflow import MeanFlow
from methods.students.conditioning import Conditioning


@pytest.fixture
def rung(tiny_pipeline, tmp_path):
    return MeanFlow.conformance_weights(Wan(), tiny_pipeline(Wan()), tmp_path)


@pytest.mark.parametrize("flow_shift", [1.0, 5.0])
def test_each_step_ends_where_the_next_begins_and_the_last_at_0(tiny_pipeline, generate, rung, monkeypatch, flow_shift):
    family, pipeline, told = Wan(), tiny_pipeline(Wan()), []
    forward = Conditioning.forward

    def watched(self, embedded, conditions):
        told.append((conditions.t.item(), conditions.r.item(), conditions.guidance.item()))
        return forward(self, embedded, conditions)

    monkeypatch.setattr(Conditioning, "forward", watched)
    method = dataclasses.replace(rung, num_inference_steps=4, guidance_scale=3.5)
    sampling = dataclasses.replace(method.sampling(family.tiny_sampling()), flow_shift=flow_shift)
    with method.apply(pipeline, family) as applied:
        for _ in range(2):
            applied.reset()
            generate(pipeline, family, sampling)
    assert told[:4] == told[4:]
    # diffusers spreads its steps between the shifted ends of training, and shifts them again.
    times = [time for time, _, _ in told[:4]] + [0.0]
    assert times[0] == 1.0
    assert [r for _, r, _ in told[:4]] == pytest.approx(times[1:])
    assert times == sorted(times, reverse=True)
    assert {g for _, _, g in told} == {3.5}
    assert (times[2] > 0.5) == (flow_shift == 5.0)


def test_r_changes_the_video(tiny_pipeline, generate, rung, monkeypatch):
    family, pipeline = Wan(), tiny_pipeline(Wan())
    sampling = rung.sampling(family.tiny_sampling())
    with rung.apply(pipeline, family):
        expected = generate(pipeline, family, sampling)
    second_time = Conditioning._second_time
    monkeypatch.setattr(Conditioning, "_second_time", lambda self, told: second_time(self, told) + 0.01)
    with rung.apply(pipeline, family):
        assert not torch.equal(generate(pipeline, family, sampling), expected)


def test_needs_the_euler_solver(tiny_pipeline, rung):
    pipeline = tiny_pipeline(Wan())
    own = pipeline.scheduler
    pipeline.scheduler = type(own).from_config(own.config, stochastic_sampling=True)
    try:
        with pytest.raises(MethodError, match="a meanflow predicts whole steps of the plain Euler solver"):
            rung.apply(pipeline, Wan())
    finally:
        pipeline.scheduler = own
