"""The losses of DCM's experts, against what is computed here by hand."""

from __future__ import annotations

import pytest
import torch

from methods.families.wan import Wan
from methods.students.detail_expert import DetailConfig
from methods.students.student import velocity
from methods.training.dcm import DcmTraining
from methods.training.dcm_losses import Consistent, DetailLosses, SemanticLosses, coherence, consistent, pseudo_huber
from methods.training.dcm_teacher import dcm_teacher
from methods.training.discriminator import Discriminator, DiscriminatorConfig
from methods.training.flow import noise_like, noised

QUICK = DcmTraining(coherence_frames=1, detail=DetailConfig(2, 4.0), feature_stride=2, head_width=8)
FAMILY = Wan()


@pytest.fixture
def networks():
    """Two transformers that differ, the first one frozen as teacher, and a batch."""
    return FAMILY.tiny(0).transformer, FAMILY.tiny(1).transformer


@pytest.fixture
def batch(networks, batches):
    return batches(FAMILY, networks[0], batch=3)(torch.Generator().manual_seed(1))


def teacher_of(transformer, scale=6.0):
    return dcm_teacher(FAMILY, transformer, None, scale, torch.device("cpu"))


def generator():
    return torch.Generator().manual_seed(2)


def test_pseudo_huber_is_quadratic_near_0_and_linear_far_away():
    zero = torch.zeros(1)
    assert pseudo_huber(torch.tensor([1e-5]), zero, 1e-3).item() == pytest.approx(1e-10 / 2e-3, rel=0.1)
    assert pseudo_huber(torch.tensor([2.0]), zero, 1e-3).item() == pytest.approx(2.0 - 1e-3, abs=1e-5)
    assert pseudo_huber(zero, zero, 1e-3).item() == 0


def test_coherence_sees_changes_and_no_constant_offset():
    video = torch.randn(1, 2, 5, 3, 3, generator=generator())
    assert coherence(video + 4.0, video, 3).item() == pytest.approx(0, abs=1e-10)
    moving = video + torch.arange(5.0)[:, None, None]
    assert coherence(moving, video, 3).item() == pytest.approx(9.0, rel=1e-5)


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="coherence_frames is 3 but latents have 3 frames; give fewer, or"):
        coherence(torch.zeros(1, 1, 3, 2, 2), torch.zeros(1, 1, 3, 2, 2), 3)


@torch.no_grad()
def test_semantic_loss_by_hand(networks, batch):
    teacher, student = networks
    found = SemanticLosses(teacher_of(teacher), QUICK)({"semantic": student}, batch, generator(), 0)
    drawn, (latents, cond, uncond), steps = generator(), batch, QUICK.steps
    index = torch.randint(38, 50, (3,), generator=drawn)
    begin, end, arrival = (
        level[:, None, None, None, None] for level in (steps.begins[index], steps.ends[index], steps.ends[[38] * 3])
    )
    noisy = noised(latents, noise_like(latents, drawn), begin.flatten())
    predicted = noisy + (arrival - begin) * velocity(student, noisy, begin.flatten(), cond)
    with_prompt, without = (velocity(teacher, noisy, begin.flatten(), one) for one in (cond, uncond))
    further = noisy + (end - begin) * (without + 6 * (with_prompt - without))
    target = further + (arrival - end) * velocity(student, further, end.flatten(), cond)
    huber = (((predicted - target) ** 2 + 1e-6).sqrt() - 1e-3).mean()
    between = (predicted.diff(dim=2) - target.diff(dim=2)).square().mean()
    assert found.logged["consistency"].item() == pytest.approx(huber.item(), rel=1e-3)
    assert found.logged["coherence"].item() == pytest.approx(between.item(), rel=1e-3)
    assert found.minimized["semantic"].item() == pytest.approx((huber + between).item(), rel=1e-3)


@torch.no_grad()
def test_the_average_is_the_target_where_there_is_one(networks, batch):
    teacher, student = networks
    losses = SemanticLosses(teacher_of(teacher), QUICK)
    own = losses({"semantic": student}, batch, generator(), 0).minimized["semantic"]
    same = losses({"semantic": student, "semantic.average": student}, batch, generator(), 0).minimized["semantic"]
    other = losses({"semantic": student, "semantic.average": teacher}, batch, generator(), 0).minimized["semantic"]
    assert own == same != other


@torch.no_grad()
def test_at_the_end_of_a_phase_the_target_is_the_teachers_step(networks, batch):
    """With a phase of one step and no guidance, a student that is its teacher has nothing to learn."""
    teacher, student = networks
    config = DcmTraining(num_euler_steps=50, split_index=49)
    arguments = (teacher_of(teacher, 1.0), config.steps, config.semantic_range, batch)
    found = consistent(teacher, student, *arguments, generator())
    torch.testing.assert_close(found.predicted, found.target, rtol=1e-5, atol=1e-5)
    other = consistent(student, student, *arguments, generator())
    assert torch.equal(other.target, found.target)
    assert not torch.allclose(other.predicted, other.target, atol=1e-3)


class TestDetail:
    @pytest.fixture
    def asked(self, networks, batch):
        def ask(**changed):
            teacher, student = networks
            torch.manual_seed(0)
            judge = Discriminator(24, DiscriminatorConfig(2, 8)).eval()
            config = DcmTraining(feature_stride=2, head_width=8, **changed)
            losses = DetailLosses(teacher_of(teacher), config, list(teacher.blocks)[::2])
            modules = {"detail": student, "discriminator": judge}
            return losses(modules, batch, generator(), 0), modules, losses

        return ask

    def test_is_the_weighted_sum(self, asked):
        found, _, _ = asked(adversarial_weight=0.2, hinge_weight=3.0, matching_weight=10.0)
        logged = found.logged
        expected = logged["consistency"] + 0.2 * (3 * logged["adversarial"] + 10 * logged["matching"])
        assert found.minimized["detail"].item() == pytest.approx(expected.item(), rel=1e-5)
        assert all(value > 0 for value in logged.values())

    def test_the_discriminators_loss_reaches_no_expert(self, asked):
        found, modules, _ = asked()
        found.minimized["discriminator"].backward()
        assert all(parameter.grad is None for parameter in modules["detail"].parameters())
        assert any(parameter.grad is not None for parameter in modules["discriminator"].parameters())

    def test_the_experts_loss_learns_through_the_teacher(self, asked):
        found, modules, losses = asked(adversarial_weight=1.0, hinge_weight=1.0)
        (found.minimized["detail"] - found.logged["consistency"]).backward()
        assert all(parameter.grad is not None for parameter in modules["detail"].blocks.parameters())
        assert not any(parameter.requires_grad for block in losses._blocks for parameter in block.parameters())

    def test_noise_is_added_up_to_a_level_of_the_details(self, asked):
        """Latents on the way with a noise arrive, with the same noise, on the way at the higher level."""
        _, _, losses = asked()
        boundary = torch.zeros(500, dtype=torch.long)
        after, renoise = losses._renoising(Consistent(torch.zeros(500, 1), torch.zeros(500, 1), boundary), generator())
        steps = losses._config.steps
        lowest = steps.ends[0]
        added = renoise(torch.zeros(500, 1)) / ((after - lowest) / (1 - lowest)).clamp_min(1e-9)[:, None]
        clean = torch.randn(500, 1, generator=generator())
        found = renoise((1 - lowest) * clean + lowest * added)
        on_the_way = (1 - after[:, None]) * clean + after[:, None] * added
        differs = after > lowest
        torch.testing.assert_close(found[differs], on_the_way[differs], rtol=1e-4, atol=1e-4)
        assert set(after.tolist()) <= set(steps.ends[:38].tolist())
        assert len(set(after.tolist())) > 30
