"""The teacher's schedule and the phases of it: against the numbers of DCM's repository."""

from __future__ import annotations

import pytest
import torch

from methods.dcm import Dcm
from methods.training.teacher_steps import Phases, TeacherSteps, moved, shifted_level


def test_published_levels():
    """sigma_37 is where HunyuanVideo's experts meet; the last step ends at the lowest of 1000 levels."""
    steps = TeacherSteps.of(50, 17.0)
    assert steps.begins[[37, 38, 49]].tolist() == pytest.approx([0.9818, 0.9837, 1.0], abs=5e-5)
    assert torch.equal(steps.ends[1:], steps.begins[:-1])
    assert float(steps.ends[0]) == pytest.approx(17 * 0.001 / 1.016)


def test_the_published_steps_are_levels_of_the_schedule():
    levels = shifted_level(torch.tensor([1.0, 0.88, 0.76, 0.38]), 17.0)
    assert levels.tolist() == pytest.approx(Dcm("rung").sigmas, abs=5e-5)


def test_without_shift_steps_are_even():
    assert TeacherSteps.of(4, 1.0).begins.tolist() == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_one_phase_ends_where_its_first_step_does():
    assert Phases(38, 50).boundary(torch.tensor([38, 41, 49])).tolist() == [38, 38, 38]


def test_several_phases_divide_the_steps():
    assert Phases(2, 9, 3).boundary(torch.arange(2, 9)).tolist() == [2, 2, 4, 4, 6, 6, 6]


def test_steps_are_drawn_from_all_and_no_others():
    drawn = Phases(3, 6).draw(200, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {3, 4, 5}


@pytest.mark.parametrize(("first", "last", "count"), [(5, 5, 1), (-1, 3, 1), (0, 3, 0), (0, 3, 4)])
def test_refuses_empty_phases(first, last, count):
    with pytest.raises(ValueError, match="give each at least one"):
        Phases(first, last, count)


def test_a_step_along_the_true_velocity_stays_on_the_way():
    clean, noise = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(0))
    begin, end = torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.0])
    at = [(1 - level[:, None]) * clean + level[:, None] * noise for level in (begin, end)]
    assert torch.allclose(moved(at[0], noise - clean, begin, end), at[1], atol=1e-6)
