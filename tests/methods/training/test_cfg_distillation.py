"""CFG distillation: target, start, and that training lowers the loss and leaves the teacher alone."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.rung import read_card, state_digest
from methods.students.student import read_student, velocity
from methods.training.cfg_distillation import (
    CfgDistillation,
    guided,
    loss_of,
    new_student,
    train_cfg_distillation,
)
from methods.training.flow import noise_like, noised, uniform
from methods.training.loop import TrainingError

FAMILIES = [Wan(), HunyuanVideo()]
QUICK = CfgDistillation(learning_rate=2e-3, teacher_guidance=6.0)


def test_the_target_is_classifier_free_guidance():
    cond, uncond = torch.full((3, 1, 1, 1, 1), 2.0), torch.full((3, 1, 1, 1, 1), 0.5)
    found = guided(cond, uncond, torch.tensor([1.0, 3.0, 0.0])).flatten()
    assert found.tolist() == [2.0, 0.5 + 3 * 1.5, 0.5]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@torch.no_grad()
def test_the_student_begins_as_the_conditional_teacher_for_every_scale(tiny_pipeline, batches, family):
    teacher = tiny_pipeline(family).transformer
    latents, cond, _ = batches(family, teacher)(torch.Generator().manual_seed(0))
    t = torch.linspace(0.1, 1, len(latents))
    student = new_student(family, teacher, QUICK)
    expected = velocity(teacher, latents, t, cond)
    for scale in (1.0, 4.5, 8.0):
        found = student(latents, t, cond, guidance=torch.full_like(t, scale))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert student.config.guidance == ("added" if family.guidance_embedder(teacher) is None else "native")


def test_a_native_teachers_own_scale_must_be_known(tiny_pipeline):
    with pytest.raises(ValueError, match="give teacher_guidance"):
        new_student(HunyuanVideo(), tiny_pipeline(HunyuanVideo()).transformer, CfgDistillation())


def test_the_loss_by_hand(tiny_pipeline, batches):
    family, teacher = Wan(), tiny_pipeline(Wan()).transformer
    batch = batches(family, teacher)(torch.Generator().manual_seed(0))
    student = new_student(family, teacher, QUICK)
    found = loss_of(QUICK, teacher)(student, batch, torch.Generator().manual_seed(1)).minimized["student"]
    generator = torch.Generator().manual_seed(1)
    t, g = uniform(4, 0.0, 1.0, generator), uniform(4, 1.0, 8.0, generator)
    noisy = noised(batch[0], noise_like(batch[0], generator), t)
    with torch.no_grad():
        difference = velocity(teacher, noisy, t, batch[1]) - velocity(teacher, noisy, t, batch[2])
    # At its start the student is the conditional teacher, so what is missing is (g - 1) (cond - uncond).
    expected = ((g - 1).reshape(-1, 1, 1, 1, 1) * difference).square().mean()
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_training_lowers_the_loss_and_writes_a_rung_of_the_teacher(tiny_pipeline, batches, loop, tmp_path, family):
    teacher = tiny_pipeline(family).transformer
    before, seen = state_digest(teacher.state_dict()), []
    latents = batches(family, teacher)(torch.Generator().manual_seed(0))
    rung = train_cfg_distillation(
        family, teacher, lambda _: latents, QUICK, loop(20), tmp_path, lambda one: seen.append(one.losses["student"])
    )
    assert state_digest(teacher.state_dict()) == before == rung.parent
    assert sum(seen[-5:]) < 0.8 * sum(seen[:5])
    assert rung == read_card(tmp_path, kinds=("cfg_distilled",), family=family.name)
    assert rung.config["guidance_range"] == [1.0, 8.0]
    trained = read_student(tmp_path, family, teacher, kinds=("cfg_distilled",))
    assert not torch.equal(trained.transformer.proj_out.weight, teacher.proj_out.weight)
    assert all(not parameter.requires_grad for parameter in teacher.parameters())
    teacher.requires_grad_(True)


def test_a_student_that_does_not_begin_as_its_teacher_is_not_trained(tiny_pipeline, batches, loop, tmp_path):
    family, teacher = HunyuanVideo(), tiny_pipeline(HunyuanVideo()).transformer
    wrong = dataclasses.replace(QUICK, teacher_guidance=2.0)  # the batches say 6
    with pytest.raises(TrainingError, match=r"CFG distillation at g = 1\.0: the student is"):
        train_cfg_distillation(family, teacher, batches(family, teacher), wrong, loop(), tmp_path)
    assert not list(tmp_path.iterdir())
    teacher.requires_grad_(True)


@pytest.mark.parametrize("ends", [(0.0, 8.0), (4.0, 2.0)])
def test_refuses_an_empty_range(ends):
    with pytest.raises(ValueError, match="guidance is drawn from"):
        CfgDistillation(guidance_min=ends[0], guidance_max=ends[1])
