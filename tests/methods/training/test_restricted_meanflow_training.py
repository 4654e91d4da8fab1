"""Restricted MeanFlow: short intervals, and a training that lowers its loss."""

from __future__ import annotations

import pytest
import torch

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import RungError, read_card, state_digest
from methods.students.student import read_student
from methods.training.restricted_meanflow import (
    RestrictedMeanFlowTraining,
    draw_times,
    train_restricted_meanflow,
)


@pytest.mark.parametrize("restriction", [0.2, 0.4])
def test_intervals_are_uniform_up_to_the_restriction(restriction):
    config = RestrictedMeanFlowTraining(restriction=restriction)
    t, r = draw_times(config, 20_000, torch.Generator().manual_seed(0))
    assert (r >= 0).all()
    assert ((t - r) <= restriction + 1e-6).all()
    assert t.mean().item() == pytest.approx(0.5, abs=0.01)
    inside = t > restriction  # elsewhere r is cut off at 0
    assert (t - r)[inside].mean().item() == pytest.approx(restriction / 2, abs=0.01)
    assert (r == 0).float().mean().item() == pytest.approx(restriction / 2, abs=0.01)


@pytest.mark.parametrize(
    ("family", "second_time", "guidance"),
    [(Wan(), "sum", "added"), (HunyuanVideo(), "average", "native")],
    ids=["wan", "hunyuan_video"],
)
def test_training_lowers_the_loss(tiny_pipeline, batches, taught, loop, tmp_path, family, second_time, guidance):
    transformer = tiny_pipeline(family).transformer
    before, teacher, seen = state_digest(transformer.state_dict()), taught(family, transformer, guidance), []
    config = RestrictedMeanFlowTraining(second_time=second_time, learning_rate=2e-3)
    batch = batches(family, transformer)(torch.Generator().manual_seed(0))
    rung = train_restricted_meanflow(
        family, transformer, teacher, lambda _: batch, config, loop(16), tmp_path / "student", seen.append
    )
    assert state_digest(transformer.state_dict()) == before
    losses = [one.losses["student"] for one in seen]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert losses == [one.losses["squared_error"] for one in seen]
    assert rung.parent == read_card(teacher, kinds=("cfg_distilled",), family=family.name).weights_sha256
    student = read_student(tmp_path / "student", family, transformer, kinds=("restricted_meanflow",))
    assert student.config == ConditioningConfig(guidance, second_time)


def test_samples_may_be_weighed_as_in_plain_meanflow(tiny_pipeline, batches, taught, loop, tmp_path):
    transformer, seen = tiny_pipeline(Wan()).transformer, []
    config = RestrictedMeanFlowTraining(norm_power=1.0)
    arguments = (Wan(), transformer, taught(Wan(), transformer), batches(Wan(), transformer))
    train_restricted_meanflow(*arguments, config, loop(1), tmp_path / "student", seen.append)
    # Each sample's error over itself.
    assert seen[0].losses["student"] == pytest.approx(1.0, abs=0.1)
    assert seen[0].losses["squared_error"] != pytest.approx(1.0, abs=0.1)


def test_is_taught_by_a_cfg_distilled_rung_only(tiny_pipeline, batches, write_student_of_kind, loop, tmp_path):
    transformer = tiny_pipeline(Wan()).transformer
    teacher = write_student_of_kind(Wan(), transformer, "meanflow")
    with pytest.raises(RungError, match="of kind 'meanflow'; give one of kind cfg_distilled"):
        train_restricted_meanflow(
            Wan(), transformer, teacher, None, RestrictedMeanFlowTraining(), loop(), tmp_path / "student"
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"restriction": 0.0}, r"restriction is 0\.0; give"),
        ({"restriction": 1.5}, r"restriction is 1\.5; give"),
        ({"guidance_min": 9.0}, "guidance is drawn from 9"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        RestrictedMeanFlowTraining(**arguments)
