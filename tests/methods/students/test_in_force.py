"""A student under other methods: the same video as by a method of its own, and methods that skip calls upon it."""

from __future__ import annotations

import pytest
import torch

from methods.base import MethodError
from methods.families.cogvideox import CogVideoX
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.fora import Fora
from methods.original import Original
from methods.students.applied import AppliedStudent
from methods.students.conditioning import ConditioningConfig
from methods.students.in_force import StudentSource, student_in_force
from methods.students.rung import RungError
from methods.taylorseer import TaylorSeer

FAMILIES = [Wan(), HunyuanVideo()]
KIND = "restricted_meanflow"


def source(folder, guidance_scale=4.0):
    return StudentSource(folder, (KIND,), guidance_scale)


@pytest.fixture(params=FAMILIES, ids=lambda one: one.name)
def family(request):
    return request.param


@pytest.fixture
def student(family, tiny_pipeline, write_random, tmp_path):
    """A random student of the family's tiny pipeline, told guidance by the transformer's own embedder if it has one."""
    pipeline = tiny_pipeline(family)
    native = family.guidance_embedder(pipeline.transformer) is not None
    write_random(tmp_path, family, pipeline, ConditioningConfig("native" if native else "added", "sum", "interval"))
    return source(tmp_path)


def test_the_original_on_it_is_the_students_own_method(family, student, tiny_pipeline, generate, one_call):
    pipeline, sampling = tiny_pipeline(family), one_call(family)
    with AppliedStudent(pipeline, family, student).install():
        by_method = generate(pipeline, family, sampling)
    with student_in_force(pipeline, family, student):
        twice = []
        for _ in range(2):
            with Original().apply(pipeline, family):
                twice.append(generate(pipeline, family, sampling))
    assert torch.equal(twice[0], by_method)
    assert torch.equal(twice[1], by_method)


@pytest.mark.parametrize("cache", [Fora(cache_interval=2), TaylorSeer(target="output", cache_interval=2)])
def test_a_cache_on_it_tells_later_steps_as_without(family, student, tiny_pipeline, generate, one_call, cache):
    """Also where the cache skips whole calls: the steps that run are told their own times."""
    pipeline, sampling, told = tiny_pipeline(family), one_call(family, 6), []
    embedding = family.time_embedding(pipeline.transformer)
    with student_in_force(pipeline, family, student):
        handle = embedding.register_forward_hook(lambda module, args, output: told.append(output.clone()))
        try:
            generate(pipeline, family, sampling)
            every_step = list(told)
            told.clear()
            with cache.apply(pipeline, family) as applied:
                cached = generate(pipeline, family, sampling)
                actions = [decision.action for decision in applied.decisions()]
        finally:
            handle.remove()
    assert "compute" in actions[1:]
    assert len(set(actions)) == 2
    assert torch.isfinite(cached).all()
    ran = [step for step, action in enumerate(actions) if action != "predict"]
    assert len(told) == len(ran)
    assert all(torch.equal(now, every_step[step]) for step, now in zip(ran, told, strict=True))


def test_leaving_restores(family, student, tiny_pipeline, generate, attributes_of, one_call):
    pipeline, sampling = tiny_pipeline(family), one_call(family)
    before, video = attributes_of(pipeline.transformer), generate(pipeline, family, sampling)
    hooks = len(pipeline.transformer._forward_pre_hooks)
    with student_in_force(pipeline, family, student):
        assert not torch.equal(generate(pipeline, family, sampling), video)
    assert attributes_of(pipeline.transformer) == before
    assert len(pipeline.transformer._forward_pre_hooks) == hooks
    assert torch.equal(generate(pipeline, family, sampling), video)


def test_a_rung_that_does_not_fit_leaves_the_pipeline_as_it_was(tiny_pipeline, write_random, tmp_path, attributes_of):
    wan, hunyuan = FAMILIES
    write_random(tmp_path, wan, tiny_pipeline(wan), ConditioningConfig("added", "sum"))
    before = attributes_of(tiny_pipeline(hunyuan).transformer)
    with (
        pytest.raises(RungError, match="trained for wan, not for hunyuan_video"),
        student_in_force(tiny_pipeline(hunyuan), hunyuan, source(tmp_path)),
    ):
        pass
    assert attributes_of(tiny_pipeline(hunyuan).transformer) == before


def test_a_scheduler_that_counts_no_steps_is_refused(tiny_pipeline, tmp_path):
    family = CogVideoX()
    with (
        pytest.raises(MethodError, match="does not count its steps"),
        student_in_force(tiny_pipeline(family), family, source(tmp_path)),
    ):
        pass
