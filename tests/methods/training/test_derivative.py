"""The derivative along the trajectory, against central differences."""

from __future__ import annotations

import pytest
import torch

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.training.derivative import derivative_along
from methods.training.loop import TrainingError
from tests.methods.training.conftest import arguments_of

T, R, G = torch.tensor([0.8, 0.35]), torch.tensor([0.55, 0.3]), torch.tensor([2.0, 7.0])
CONFIGS = [
    ConditioningConfig("added", "sum"),
    ConditioningConfig("added", "sum", "interval"),
    ConditioningConfig("added", "average"),
]


def case(family, tiny_pipeline, random_student, config):
    student = random_student(family, tiny_pipeline(family).transformer, config)
    generator = torch.Generator().manual_seed(3)  # and a tangent that counts beside 1000 t
    latents, arguments = arguments_of(family, student.transformer, 2, generator)
    return student, latents, 10 * torch.randn(latents.shape, generator=generator), arguments


@torch.no_grad()
def central_difference(student, latents, tangent, arguments, step):
    def at(moved):
        return student(latents + moved * tangent, T + moved, arguments, r=R, guidance=G)

    return (at(step) - at(-step)) / (2 * step)


@pytest.mark.parametrize("family", [Wan(), HunyuanVideo()], ids=lambda one: one.name)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda one: f"{one.second_time}-{one.second_time_value}")
def test_equals_the_central_difference(tiny_pipeline, random_student, family, config):
    student, latents, tangent, arguments = case(family, tiny_pipeline, random_student, config)
    value, derivative = derivative_along(student, latents, T, tangent, arguments, r=R, guidance=G)
    expected = central_difference(student, latents, tangent, arguments, 1e-4)
    assert (derivative - expected).norm() < 0.01 * expected.norm()
    # Neither part alone would do: the latents' and the time's both count.
    for part in (
        derivative_along(student, latents, T, torch.zeros_like(tangent), arguments, r=R, guidance=G)[1],
        derivative - derivative_along(student, latents, T, torch.zeros_like(tangent), arguments, r=R, guidance=G)[1],
    ):
        assert (part - expected).norm() > 0.03 * expected.norm()
    with torch.no_grad():
        torch.testing.assert_close(value, student(latents, T, arguments, r=R, guidance=G), rtol=1e-4, atol=1e-5)


def test_leaves_no_gradient_behind_and_does_not_hinder_one(tiny_pipeline, random_student):
    student, latents, tangent, arguments = case(Wan(), tiny_pipeline, random_student, CONFIGS[0])
    for found in derivative_along(student, latents, T, tangent, arguments, r=R, guidance=G):
        assert not found.requires_grad
    student(latents, T, arguments, r=R, guidance=G).mean().backward()
    assert student.transformer.proj_out.weight.grad.abs().max() > 0


def test_another_type_is_refused(tiny_pipeline, random_student):
    student, latents, tangent, arguments = case(Wan(), tiny_pipeline, random_student, CONFIGS[0])
    student.transformer.blocks.bfloat16()
    with pytest.raises(TrainingError, match=r"transformer\.blocks\.0\..* is in torch\.bfloat16; the derivative needs"):
        derivative_along(student, latents, T, tangent, arguments, r=R, guidance=G)


def test_checkpointed_activations_are_refused(tiny_pipeline, random_student):
    student, latents, tangent, arguments = case(Wan(), tiny_pipeline, random_student, CONFIGS[0])
    student.transformer.gradient_checkpointing = True
    with pytest.raises(TrainingError, match="gradient_checkpointing on; turn it off"):
        derivative_along(student, latents, T, tangent, arguments, r=R, guidance=G)


def test_a_detached_student_is_refused():
    class Detached(torch.nn.Module):
        def forward(self, latents, t, arguments, *, r, guidance):
            return torch.zeros(latents.shape)

    with pytest.raises(TrainingError, match="no forward-mode derivative"):
        derivative_along(Detached(), torch.ones(2, 1), T, torch.ones(2, 1), {}, r=R, guidance=None)
