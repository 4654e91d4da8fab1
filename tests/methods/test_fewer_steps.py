"""Fewer steps: the sampling changes and nothing else."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.families.wan import Wan
from methods.fewer_steps import FewerSteps
from methods.original import Original


def test_only_the_number_of_steps_changes():
    default = Wan.default_sampling
    changed = FewerSteps(num_inference_steps=10).sampling(default)
    assert changed.num_inference_steps == 10
    assert dataclasses.replace(changed, num_inference_steps=default.num_inference_steps) == default


def test_equals_the_original_asked_for_as_many_steps(tiny_pipeline, generate):
    family = Wan()
    pipeline = tiny_pipeline(family)
    sampling = dataclasses.replace(family.tiny_sampling(), num_inference_steps=3)
    with Original().apply(pipeline, family):
        expected = generate(pipeline, family, sampling)
    method = FewerSteps(num_inference_steps=3)
    with method.apply(pipeline, family) as applied:
        assert torch.equal(generate(pipeline, family, method.sampling(family.tiny_sampling())), expected)
        assert len(applied.decisions()) == 6


@pytest.mark.parametrize("steps", [0, -1])
def test_refuses_no_steps(steps):
    with pytest.raises(ValueError, match=f"num_inference_steps is {steps}; give"):
        FewerSteps(num_inference_steps=steps)
