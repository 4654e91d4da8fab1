"""What DCM is distilled from: guided by two calls, by an argument, or by a constant in the weights."""

from __future__ import annotations

import pytest
import torch

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.rung import RungError, read_card, state_digest
from methods.students.student import read_student, velocity
from methods.training.dcm_teacher import dcm_teacher

CPU = torch.device("cpu")


@pytest.fixture
def asked(batches):
    def ask(family, transformer):
        latents, cond, uncond = batches(family, transformer, batch=2)(torch.Generator().manual_seed(0))
        return latents, torch.tensor([0.9, 0.3]), cond, uncond

    return ask


@torch.no_grad()
def test_a_transformer_that_takes_no_scale_is_called_twice(asked):
    family = Wan()
    transformer = family.tiny(0).transformer
    latents, t, cond, uncond = asked(family, transformer)
    teacher = dcm_teacher(family, transformer, None, 6.0, CPU)
    with_prompt, without = (velocity(transformer, latents, t, arguments) for arguments in (cond, uncond))
    # The repository's c + 5 (c - u).
    expected = with_prompt + 5 * (with_prompt - without)
    torch.testing.assert_close(teacher.velocity(latents, t, cond, uncond), expected, rtol=1e-4, atol=1e-5)
    assert teacher.told(cond, 2) is cond
    assert teacher.parent == state_digest(transformer.state_dict())
    unguided = dcm_teacher(family, transformer, None, 1.0, CPU)
    assert torch.equal(unguided.velocity(latents, t, cond, uncond), with_prompt)


@torch.no_grad()
def test_one_that_embeds_a_scale_is_told_it_whatever_the_batch_says(asked):
    family = HunyuanVideo()
    transformer = family.tiny(0).transformer
    latents, t, cond, uncond = asked(family, transformer)
    teacher = dcm_teacher(family, transformer, None, 3.0, CPU)
    expected = velocity(transformer, latents, t, {**cond, "guidance": torch.full((2,), 3000.0)})
    assert torch.equal(teacher.velocity(latents, t, cond, uncond), expected)
    assert not torch.equal(velocity(transformer, latents, t, cond), expected)


@pytest.mark.parametrize(("family", "guidance"), [(Wan(), "added"), (HunyuanVideo(), "native")])
@torch.no_grad()
def test_a_rung_says_by_itself_what_it_says_when_told(asked, taught, family, guidance):
    transformer = family.tiny(0).transformer
    folder = taught(family, transformer, guidance)
    latents, t, cond, uncond = asked(family, transformer)
    student = read_student(folder, family, transformer, kinds=("cfg_distilled",))
    expected = student(latents, t, cond, guidance=torch.full((2,), 5.0))
    teacher = dcm_teacher(family, transformer, folder, 5.0, CPU)
    torch.testing.assert_close(teacher.velocity(latents, t, cond, uncond), expected, rtol=1e-5, atol=1e-5)
    assert teacher.parent == read_card(folder, kinds=("cfg_distilled",), family=family.name).weights_sha256
    assert not teacher.two_calls


def test_a_scale_that_the_rung_does_not_know_is_refused(taught):
    transformer = Wan().tiny(0).transformer
    folder = taught(Wan(), transformer)
    with pytest.raises(RungError, match=r"teacher_guidance_scale is 9\.0; .* was trained for 1 to 8"):
        dcm_teacher(Wan(), transformer, folder, 9.0, CPU)
