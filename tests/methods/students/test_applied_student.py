"""A student in force: its weights, what it is told at each step, and that it leaves nothing behind."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import UniPCMultistepScheduler

from methods.base import AlreadyAppliedError, MethodError
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.original import Original
from methods.students.applied import AppliedStudent
from methods.students.conditioning import ConditioningConfig
from methods.students.in_force import StudentSource
from methods.students.rung import RungError

FAMILIES = [Wan(), HunyuanVideo()]
KIND = "restricted_meanflow"


def source(folder, guidance_scale=4.0):
    return StudentSource(folder, (KIND,), guidance_scale)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "config", [ConditioningConfig("added", "average"), ConditioningConfig("added", "sum", "interval")]
)
@torch.no_grad()
def test_a_video_is_that_of_euler_steps_of_the_student(
    tiny_pipeline, generate, write_random, one_call, tmp_path, family, config
):
    """Against a loop written here, from the latents and the arguments the pipeline itself begins with."""
    pipeline = tiny_pipeline(family)
    student = write_random(tmp_path, family, pipeline, config)
    begun, sampling = [], one_call(family)
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: begun.append(dict(kwargs)), with_kwargs=True
    )
    try:
        with AppliedStudent(pipeline, family, source(tmp_path)).install():
            video = generate(pipeline, family, sampling)
    finally:
        handle.remove()
    arguments = begun[0]
    latents = arguments.pop("hidden_states")
    del arguments["timestep"], arguments["return_dict"]
    with family.scheduled(pipeline, sampling):
        generate(pipeline, family, sampling)
        times = torch.tensor([*family.timesteps(pipeline), 0.0]) / 1000
    for t, r in zip(times[:-1, None], times[1:, None], strict=True):
        velocity = student(latents, t, arguments, r=r, guidance=torch.tensor([4.0]))
        latents = latents - (t - r) * velocity
    torch.testing.assert_close(video, latents, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_the_scale_is_the_methods_own(tiny_pipeline, generate, write_random, one_call, tmp_path, family):
    pipeline = tiny_pipeline(family)
    native = family.guidance_embedder(pipeline.transformer) is not None
    write_random(tmp_path, family, pipeline, ConditioningConfig("native" if native else "added"))
    videos = []
    for scale in (2.0, 6.0, 2.0):
        with AppliedStudent(pipeline, family, source(tmp_path, scale)).install():
            videos.append(generate(pipeline, family, one_call(family)))
    assert torch.equal(videos[0], videos[2])
    assert not torch.equal(videos[0], videos[1])
    if native:  # what the pipeline is called with does not count
        other = dataclasses.replace(one_call(family), guidance_scale=7.0)
        with AppliedStudent(pipeline, family, source(tmp_path, 2.0)).install():
            assert torch.equal(generate(pipeline, family, other), videos[0])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_the_very_parameters_come_back(tiny_pipeline, generate, write_random, one_call, tmp_path, family):
    pipeline = tiny_pipeline(family)
    write_random(tmp_path, family, pipeline, ConditioningConfig("added", "sum"))
    before = dict(pipeline.transformer.state_dict(keep_vars=True))
    values = {name: value.clone() for name, value in before.items()}
    with AppliedStudent(pipeline, family, source(tmp_path)).install():
        generate(pipeline, family, one_call(family))
        assert not torch.equal(pipeline.transformer.proj_out.weight, values["proj_out.weight"])
    after = pipeline.transformer.state_dict(keep_vars=True)
    assert all(after[name] is value and torch.equal(value, values[name]) for name, value in before.items())
    assert not family.time_embedding(pipeline.transformer)._forward_hooks


def test_a_rung_that_does_not_fit_changes_nothing(tiny_pipeline, write_random, tmp_path, attributes_of):
    family, pipeline = Wan(), tiny_pipeline(Wan())
    write_random(tmp_path, family, family.tiny(0, like="Wan-AI/Wan2.1-T2V-1.3B-Diffusers"), ConditioningConfig("added"))
    before, weight = attributes_of(pipeline.transformer), pipeline.transformer.proj_out.weight
    with pytest.raises(RungError, match="does not fit the model"):
        AppliedStudent(pipeline, family, source(tmp_path)).install()
    assert attributes_of(pipeline.transformer) == before
    assert pipeline.transformer.proj_out.weight is weight


def test_nothing_is_read_where_a_method_is_in_force(tiny_pipeline, tmp_path):
    pipeline = tiny_pipeline(Wan())
    with Original().apply(pipeline, Wan()), pytest.raises(AlreadyAppliedError):
        AppliedStudent(pipeline, Wan(), source(tmp_path / "nothing")).install()


def test_a_scale_that_was_not_trained_is_refused(tiny_pipeline, write_random, tmp_path):
    pipeline = tiny_pipeline(Wan())
    write_random(tmp_path, Wan(), pipeline, ConditioningConfig("added"), guidance_range=(1.0, 8.0))
    with AppliedStudent(pipeline, Wan(), source(tmp_path, 8.0)).install():
        pass
    with pytest.raises(RungError, match=r"guidance_scale is 8\.5; .* was trained for 1\.0 to 8\.0"):
        AppliedStudent(pipeline, Wan(), source(tmp_path, 8.5)).install()


@pytest.mark.parametrize(("second_time", "refused"), [("none", False), ("sum", True)])
def test_whole_steps_need_the_euler_solver(tiny_pipeline, write_random, tmp_path, second_time, refused):
    pipeline = tiny_pipeline(Wan())
    write_random(tmp_path, Wan(), pipeline, ConditioningConfig("added", second_time))
    own = pipeline.scheduler
    pipeline.scheduler = UniPCMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction")
    try:
        applied = AppliedStudent(pipeline, Wan(), source(tmp_path))
        if refused:
            with pytest.raises(MethodError, match="the scheduler is UniPCMultistepScheduler; a restricted_meanflow"):
                applied.install()
        else:
            applied.install().__exit__(None, None, None)
    finally:
        pipeline.scheduler = own


def test_in_bfloat16_weights_are_cast_and_embedders_are_not(generate, write_random, one_call, tmp_path):
    family = Wan()
    pipeline = family.tiny(0)
    write_random(tmp_path, family, pipeline, ConditioningConfig("added", "sum"))
    pipeline.transformer.to(torch.bfloat16)
    pipeline.text_encoder.to(torch.bfloat16)
    types = {name: value.dtype for name, value in pipeline.transformer.state_dict().items()}
    with AppliedStudent(pipeline, family, source(tmp_path)).install():
        assert {name: value.dtype for name, value in pipeline.transformer.state_dict().items()} == types
        assert generate(pipeline, family, one_call(family)).isfinite().all()


def test_on_the_meta_device_the_card_alone_is_read(write_random, tmp_path):
    family = Wan()
    pipeline = family.tiny(0)
    write_random(tmp_path, family, pipeline, ConditioningConfig("added", "sum"))
    (tmp_path / "weights.safetensors").unlink()
    pipeline.transformer.to("meta")
    sampling = family.tiny_sampling()
    call = family.transformer_calls(pipeline.transformer, sampling)[0]
    pipeline.scheduler.set_timesteps(2)
    with AppliedStudent(pipeline, family, source(tmp_path)).install() as applied:
        for _ in range(2):
            with pipeline.transformer.cache_context(call.context_name):
                pipeline.transformer(**call.arguments)
        assert [decision.action for decision in applied.decisions()] == ["compute"] * 2
