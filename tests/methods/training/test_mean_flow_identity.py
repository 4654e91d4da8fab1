"""MeanFlow's identity and loss, on a flow whose mean velocity is known and on tiny pipelines."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import read_card
from methods.students.student import Student
from methods.training.derivative import derivative_along
from methods.training.flow import noise_like, noised, uniform
from methods.training.loop import Trained, TrainingError
from methods.training.mean_flow_identity import (
    Variant,
    adaptive_loss,
    loss_of,
    mean_velocity_target,
    new_student,
    read_teacher,
    train_mean_flow,
)

FAMILIES = [Wan(), HunyuanVideo()]


class KnownFlow(nn.Module):
    """z_t = a exp(k t): velocity k z_t, mean velocity from r to t z_t (1 - exp(-k (t - r))) / (t - r)."""

    k = 1.5

    def forward(self, latents, t, arguments, *, r, guidance):
        interval = (t - r).reshape(-1, 1)
        return latents * (1 - torch.exp(-self.k * interval)) / interval


def test_each_sample_is_weighed_by_its_own_error():
    squared = torch.tensor([[1.0, 3.0], [0.0, 0.04]])[:, :, None, None, None].requires_grad_()
    loss = adaptive_loss(squared, 0.01, 1.0)
    assert loss.item() == pytest.approx((4 / 4.01 + 0.04 / 0.05) / 2)
    loss.backward()
    assert squared.grad[:, 0].flatten().tolist() == pytest.approx([1 / 4.01 / 2, 1 / 0.05 / 2])
    assert adaptive_loss(squared, 0.01, 0.0).item() == pytest.approx(2.02)


def test_the_true_mean_velocity_fulfils_the_identity():
    flow, latents = KnownFlow(), torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    t, r = torch.tensor([0.9, 0.5]), torch.tensor([0.2, 0.45])
    v = flow.k * latents
    u, derivative = derivative_along(flow, latents, t, v, {}, r=r, guidance=None)
    torch.testing.assert_close(mean_velocity_target(v, derivative, t - r), u, rtol=1e-5, atol=1e-5)
    # And a step by it lands on the trajectory, where a step by v would not.
    expected = latents * torch.exp(-flow.k * (t - r).reshape(-1, 1))
    torch.testing.assert_close(latents - (t - r).reshape(-1, 1) * u, expected)
    assert not torch.allclose(latents - (t - r).reshape(-1, 1) * v, expected, rtol=1e-3)


def test_without_interval_it_is_plain_flow_matching():
    v = torch.randn(2, 3)
    assert torch.equal(mean_velocity_target(v, 1e3 * torch.randn(2, 3), torch.zeros(2)), v)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@pytest.mark.parametrize("second_time", ["sum", "average"])
@torch.no_grad()
def test_the_student_begins_as_its_teacher(tiny_pipeline, batches, random_student, family, second_time):
    teacher = random_student(family, tiny_pipeline(family).transformer, ConditioningConfig("added"))
    latents, cond, _ = batches(family, teacher.transformer)(torch.Generator().manual_seed(0))
    t, g = torch.linspace(0.1, 1, 4), torch.linspace(1, 8, 4)
    student = new_student(teacher, second_time, "r")
    expected = teacher(latents, t, cond, guidance=g)
    torch.testing.assert_close(student(latents, t, cond, r=t, guidance=g), expected, rtol=0, atol=1e-6)
    elsewhere = student(latents, t, cond, r=t / 2, guidance=g)
    assert torch.allclose(elsewhere, expected, rtol=0, atol=1e-6) == (second_time == "sum")


def test_a_student_must_be_told_r(tiny_pipeline, random_student):
    teacher = random_student(Wan(), tiny_pipeline(Wan()).transformer, ConditioningConfig("added"))
    with pytest.raises(ValueError, match="must be told r"):
        new_student(teacher, "none", "r")


def variant(times, reduce=torch.Tensor.mean):
    return Variant("meanflow", times, reduce, (1.0, 8.0), {})


def test_the_loss_by_hand(tiny_pipeline, batches, random_student):
    family = Wan()
    teacher = random_student(family, tiny_pipeline(family).transformer, ConditioningConfig("added"))
    student = random_student(family, teacher.transformer, ConditioningConfig("added", "sum"))
    batch = batches(family, teacher.transformer, 2)(torch.Generator().manual_seed(0))
    t, r = torch.tensor([0.9, 0.5]), torch.tensor([0.6, 0.5])
    found = loss_of(teacher, variant(lambda *_: (t, r)))(student, batch, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    g = uniform(2, 1.0, 8.0, generator)
    noisy = noised(batch[0], noise_like(batch[0], generator), t)
    with torch.no_grad():
        v = teacher(noisy, t, batch[1], guidance=g)
        u = student(noisy, t, batch[1], r=r, guidance=g)
        step = 1e-4
        ahead, behind = (student(noisy + moved * v, t + moved, batch[1], r=r, guidance=g) for moved in (step, -step))
        target = v - (t - r).reshape(-1, 1, 1, 1, 1) * (ahead - behind) / (2 * step)
    expected = (u - target).square().mean()
    assert found.minimized["student"].item() == pytest.approx(expected.item(), rel=0.03)
    assert found.logged["squared_error"].item() == pytest.approx(expected.item(), rel=0.03)


def test_nothing_learns_through_the_target(tiny_pipeline, batches, random_student):
    """The gradient is that of the prediction alone, with the target a constant."""
    family = Wan()
    teacher = random_student(family, tiny_pipeline(family).transformer, ConditioningConfig("added"))
    student = random_student(family, teacher.transformer, ConditioningConfig("added", "sum"))
    batch = batches(family, teacher.transformer, 2)(torch.Generator().manual_seed(0))
    t, r = torch.tensor([0.9, 0.5]), torch.tensor([0.6, 0.4])
    loss_of(teacher, variant(lambda *_: (t, r)))(student, batch, torch.Generator().manual_seed(1)).minimized[
        "student"
    ].backward()
    found = student.transformer.proj_out.weight.grad.clone()
    student.zero_grad()
    generator = torch.Generator().manual_seed(1)
    g = uniform(2, 1.0, 8.0, generator)
    noisy = noised(batch[0], noise_like(batch[0], generator), t)
    with torch.no_grad():
        v = teacher(noisy, t, batch[1], guidance=g)
    _, derivative = derivative_along(student, noisy, t, v, batch[1], r=r, guidance=g)
    target = mean_velocity_target(v, derivative, t - r)
    (student(noisy, t, batch[1], r=r, guidance=g) - target).square().mean().backward()
    torch.testing.assert_close(found, student.transformer.proj_out.weight.grad, rtol=1e-4, atol=1e-5)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_reads_the_teacher_and_whose_child_the_rung_will_be(tiny_pipeline, taught):
    folder = taught(Wan(), tiny_pipeline(Wan()).transformer)
    teacher, parent = read_teacher(folder, Wan(), tiny_pipeline(Wan()).transformer)
    assert isinstance(teacher, Student)
    assert parent == read_card(folder, kinds=("cfg_distilled",), family="wan").weights_sha256


def test_another_precision_is_refused(tiny_pipeline, random_student, loop, tmp_path):
    teacher = random_student(Wan(), tiny_pipeline(Wan()).transformer, ConditioningConfig("added"))
    trained = Trained(new_student(teacher, "sum", "r"), 1e-3)
    with pytest.raises(TrainingError, match="precision is bfloat16; the derivative of MeanFlow needs float32"):
        train_mean_flow(
            variant(None), teacher, "", trained, None, loop(precision="bfloat16"), tmp_path, None, torch.float32
        )
