"""CFG distillation at inference: one call a step, told a scale; the trained student is the guided video."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.cfg_distilled import CfgDistilled
from methods.families.dit import Dit
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import RungError
from methods.students.student import Student, write_student

FAMILIES = [Wan(), HunyuanVideo()]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_one_call_a_step_and_a_visible_number_of_steps(family):
    default = family.default_sampling
    changed = CfgDistilled("rung", 6.0, 20).sampling(dataclasses.replace(default, true_cfg_scale=3.0))
    assert family.branches(changed) == ("cond",)
    assert (changed.num_inference_steps, changed.guidance_scale, changed.true_cfg_scale) == (20, 1.0, None)
    assert dataclasses.replace(
        changed, num_inference_steps=default.num_inference_steps, guidance_scale=default.guidance_scale
    ) == dataclasses.replace(default, true_cfg_scale=None)


def test_an_untrained_student_makes_the_unguided_video(tiny_pipeline, generate, tmp_path):
    family, pipeline = Wan(), tiny_pipeline(Wan())
    student = Student.beside(family, pipeline.transformer, ConditioningConfig("added"))
    write_student(tmp_path, student, kind="cfg_distilled", parent="", guidance_range=(1, 8), provenance={})
    sampling = family.tiny_sampling()
    method = CfgDistilled(str(tmp_path), 5.0, sampling.num_inference_steps)
    with method.apply(pipeline, family) as applied:
        video = generate(pipeline, family, method.sampling(sampling))
        assert {decision.branch for decision in applied.decisions()} == {"cond"}
        assert applied.cache_bytes() == 0
    expected = generate(pipeline, family, dataclasses.replace(sampling, guidance_scale=1.0))
    torch.testing.assert_close(video, expected, rtol=1e-4, atol=1e-5)


def test_another_rung_is_refused(tiny_pipeline, tmp_path):
    pipeline = tiny_pipeline(Wan())
    student = Student.beside(Wan(), pipeline.transformer, ConditioningConfig("added", "sum"))
    write_student(tmp_path, student, kind="meanflow", parent="", guidance_range=None, provenance={})
    with pytest.raises(RungError, match="of kind 'meanflow'; give one of kind cfg_distilled"):
        CfgDistilled(str(tmp_path), 5.0, 4).apply(pipeline, Wan())
    with pytest.raises(RungError, match=r"nowhere holds no rung\.json; train the rung"):
        CfgDistilled("nowhere", 5.0, 4).apply(pipeline, Wan())


def test_families_that_cannot_be_told_are_unsupported():
    assert CfgDistilled("rung", 5.0, 4).unsupported(Wan()) is None
    assert "not known for this architecture" in CfgDistilled("rung", 5.0, 4).unsupported(Dit())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": ""}, "weights is empty; give the folder of a cfg_distilled rung"),
        ({"guidance_scale": 0.0}, r"guidance_scale is 0\.0; give more than 0"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0; give at least 1"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        CfgDistilled(**{"weights": "rung", "guidance_scale": 5.0, "num_inference_steps": 4, **arguments})
