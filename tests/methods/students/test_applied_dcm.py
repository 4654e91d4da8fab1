"""Both experts in force: which one runs when, what it is told, and that it leaves nothing behind."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from methods.dcm import Dcm
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.dcm_rung import DualExpertConfig, write_dcm
from methods.students.rung import RungError, read_card, read_tensors, under
from methods.students.student import velocity

FAMILIES = [Wan(), HunyuanVideo()]


@pytest.fixture
def rung(tiny_pipeline, tmp_path):
    """A random rung for a family's tiny pipeline: its method, and both experts' weights."""

    def make(family):
        method = Dcm.conformance_weights(family, tiny_pipeline(family), tmp_path / family.name)
        tensors = read_tensors(
            tmp_path / family.name, read_card(tmp_path / family.name, kinds=("dcm",), family=family.name)
        )
        return method, under(tensors, "semantic"), under(tensors, "detail")

    return make


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@torch.no_grad()
def test_a_video_is_that_of_euler_steps_of_one_expert_and_then_the_other(tiny_pipeline, generate, rung, merged, family):
    """Against a loop written here, of whole transformers, from what the pipeline itself begins with."""
    pipeline, (method, semantic, detail) = tiny_pipeline(family), rung(family)
    begun = []
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: begun.append(dict(kwargs)), with_kwargs=True
    )
    try:
        with method.apply(pipeline, family) as applied:
            video = generate(pipeline, family, method.sampling(family.tiny_sampling()))
            levels = [decision.level for decision in applied.decisions()]
            assert applied.cache_bytes() == 0
    finally:
        handle.remove()
    assert levels == ["semantic", "semantic", "detail", "detail"]
    first = copy.deepcopy(pipeline.transformer)
    first.load_state_dict(semantic)
    experts = {"semantic": first, "detail": merged(first, detail, 2.0)}
    arguments = begun[0]
    latents = arguments.pop("hidden_states")
    del arguments["timestep"], arguments["return_dict"]
    if "guidance" in arguments:
        arguments["guidance"] = torch.tensor([6000.0])
    for level, begin, end in zip(levels, method.sigmas, (*method.sigmas[1:], 0.0), strict=True):
        said = velocity(experts[level], latents, torch.tensor([begin]), arguments)
        latents = latents - (begin - end) * said
    torch.testing.assert_close(video, latents, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_the_very_parameters_come_back(tiny_pipeline, generate, rung, family):
    pipeline, (method, _, _) = tiny_pipeline(family), rung(family)
    before = dict(pipeline.transformer.state_dict(keep_vars=True))
    values = {name: value.clone() for name, value in before.items()}
    with method.apply(pipeline, family):
        generate(pipeline, family, method.sampling(family.tiny_sampling()))
    after = pipeline.transformer.state_dict(keep_vars=True)
    assert all(after[name] is value for name, value in before.items())
    assert all(torch.equal(after[name], value) for name, value in values.items())
    assert after.keys() == before.keys()


def test_what_the_pipeline_says_of_guidance_does_not_count(tiny_pipeline, generate, rung):
    family = HunyuanVideo()
    pipeline, (method, _, _) = tiny_pipeline(family), rung(family)
    videos = []
    for scale in (1.0, 7.0):
        sampling = dataclasses.replace(method.sampling(family.tiny_sampling()), guidance_scale=scale)
        with method.apply(pipeline, family):
            videos.append(generate(pipeline, family, sampling))
    assert torch.equal(*videos)


def test_a_rung_trained_without_the_scale_is_refused(tiny_pipeline, rung, tmp_path, attributes_of):
    family = HunyuanVideo()
    pipeline, (_, semantic, detail) = tiny_pipeline(family), rung(family)
    before = attributes_of(pipeline.transformer)
    config = DualExpertConfig(981)
    write_dcm(tmp_path, semantic, detail, config, family=family.name, parent="", provenance={})
    with pytest.raises(RungError, match=r"embeds a guidance scale, .* was trained with None"):
        Dcm(str(tmp_path)).apply(pipeline, family)
    assert attributes_of(pipeline.transformer) == before


def test_a_price_needs_no_weights(rung, tmp_path):
    family = Wan()
    method, _, _ = rung(family)
    (tmp_path / family.name / "weights.safetensors").unlink()
    pipeline = family.tiny(0)
    pipeline.transformer.to("meta")
    with method.apply(pipeline, family):
        assert {value.device.type for value in pipeline.transformer.parameters()} == {"meta"}
    with pytest.raises(RungError, match=r"holds no weights\.safetensors"):
        method.apply(family.tiny(0), family)
