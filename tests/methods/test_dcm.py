"""DCM as a method: the sampling it really uses, and what it refuses. What it computes: students/test_applied_dcm.py."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from methods.dcm import Dcm
from methods.families.dit import Dit
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import RungError
from methods.students.student import Student, write_student


@pytest.mark.parametrize("family", [Wan(), HunyuanVideo()], ids=lambda one: one.name)
def test_one_call_at_each_of_the_published_levels(family):
    default = dataclasses.replace(family.default_sampling, true_cfg_scale=3.0)
    changed = Dcm("rung").sampling(default)
    assert changed.sigmas == (1.0, 0.992, 0.9818, 0.9124)
    assert family.branches(changed) == ("cond",)
    assert (changed.num_inference_steps, changed.guidance_scale, changed.flow_shift) == (4, 1.0, None)
    assert (changed.height, changed.num_frames) == (default.height, default.num_frames)


def test_sigmas_may_come_from_a_suite():
    method = Dcm(**yaml.safe_load("{weights: rung, sigmas: [1.0, 0.9048, 0.5]}"))
    assert method.sampling(Wan().default_sampling).sigmas == (1.0, 0.9048, 0.5)
    assert hash(method) == hash(Dcm("rung", (1.0, 0.9048, 0.5)))


def test_another_rung_is_refused(tiny_pipeline, tmp_path):
    pipeline = tiny_pipeline(Wan())
    student = Student.beside(Wan(), pipeline.transformer, ConditioningConfig("added"))
    write_student(tmp_path, student, kind="cfg_distilled", parent="", guidance_range=None, provenance={})
    with pytest.raises(RungError, match="of kind 'cfg_distilled'; give one of kind dcm"):
        Dcm(str(tmp_path)).apply(pipeline, Wan())


def test_what_is_no_flow_is_unsupported():
    assert Dcm("rung").unsupported(Wan()) is None
    assert "Euler steps of a flow" in Dcm("rung").unsupported(Dit())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": ""}, "weights is empty; give the folder of a dcm rung"),
        ({"sigmas": ()}, "sigmas is ''; give noise levels"),
        ({"sigmas": (1.2, 0.5)}, r"sigmas is '1\.2 0\.5'; give noise levels in"),
        ({"sigmas": (1.0, 0.0)}, r"sigmas is '1\.0 0\.0'; give noise levels in"),
        ({"sigmas": (1.0, 0.5, 0.5)}, "noise levels must descend"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        Dcm(**{"weights": "rung", **arguments})
