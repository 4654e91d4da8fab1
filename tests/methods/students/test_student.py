"""A student as a module: it begins as its teacher, is told what it takes, and comes back from its rung."""

from __future__ import annotations

import pytest
import torch

from methods.families.dit import Dit
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import RungError, read_card, read_tensors
from methods.students.student import Student, conditioning_of, read_student, velocity, write_student

FAMILIES = [Wan(), HunyuanVideo()]


def call(family, pipeline, batch=2):
    """Random latents, times and the other arguments of a call, for a tiny pipeline."""
    generator = torch.Generator().manual_seed(5)
    arguments = dict(family.transformer_calls(family.transformer(pipeline), family.tiny_sampling())[0].arguments)
    latents = torch.randn(batch, *arguments.pop("hidden_states").shape[1:], generator=generator)
    del arguments["timestep"], arguments["return_dict"]
    for name, value in arguments.items():
        arguments[name] = torch.randn(batch, *value.shape[1:], generator=generator)
    fixed = {"encoder_attention_mask": torch.ones, "guidance": lambda shape: torch.full(shape, 6000.0)}
    arguments |= {name: make(arguments[name].shape) for name, make in fixed.items() if name in arguments}
    return latents, torch.linspace(0.9, 0.4, batch), arguments


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@pytest.mark.parametrize("second_time", ["none", "sum", "average"])
@torch.no_grad()
def test_begins_as_its_teacher(tiny_pipeline, family, second_time):
    transformer = family.transformer(tiny_pipeline(family))
    latents, t, arguments = call(family, tiny_pipeline(family))
    student = Student.beside(family, transformer, ConditioningConfig("added", second_time))
    expected = velocity(transformer, latents, t, arguments)
    told = student(latents, t, arguments, r=t, guidance=torch.tensor([2.0, 8.0]))
    torch.testing.assert_close(told, expected, rtol=0, atol=1e-6)
    if second_time == "sum":
        told = student(latents, t, arguments, r=t / 2, guidance=torch.tensor([2.0, 8.0]))
        torch.testing.assert_close(told, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@torch.no_grad()
def test_guidance_and_r_reach_each_sample_by_itself(tiny_pipeline, family, write_random, tmp_path):
    pipeline = tiny_pipeline(family)
    student = write_random(tmp_path, family, pipeline, ConditioningConfig("added", "sum"))
    latents, t, arguments = call(family, pipeline)
    r, guidance = t / 2, torch.tensor([2.0, 8.0])
    before = student(latents, t, arguments, r=r, guidance=guidance)
    other_r = student(latents, t, arguments, r=torch.stack([r[0], r[1] / 2]), guidance=guidance)
    other_g = student(latents, t, arguments, r=r, guidance=torch.tensor([3.0, 8.0]))
    torch.testing.assert_close(other_r[0], before[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(other_g[1], before[1], rtol=0, atol=1e-6)
    assert (other_r[1] - before[1]).abs().max() > 1e-4
    assert (other_g[0] - before[0]).abs().max() > 1e-4


@torch.no_grad()
def test_native_guidance_goes_to_the_transformers_own_argument(tiny_pipeline):
    family, pipeline = HunyuanVideo(), tiny_pipeline(HunyuanVideo())
    latents, t, arguments = call(family, pipeline)
    student = Student.beside(family, pipeline.transformer, ConditioningConfig("native"))
    told = student(latents, t, arguments, guidance=torch.tensor([3.0, 3.0]))
    expected = velocity(pipeline.transformer, latents, t, arguments | {"guidance": torch.full((2,), 3000.0)})
    torch.testing.assert_close(told, expected, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="takes guidance and was called without"):
        student(latents, t, arguments)


def test_gradients_reach_transformer_and_embedders(tiny_pipeline):
    family, pipeline = Wan(), tiny_pipeline(Wan())
    latents, t, arguments = call(family, pipeline)
    student = Student.beside(family, pipeline.transformer, ConditioningConfig("added", "sum"))
    student(latents, t, arguments, r=t / 2, guidance=torch.tensor([2.0, 8.0])).square().mean().backward()
    for name in (
        "transformer.blocks.0.attn1.to_q.weight",
        "conditioning.guidance_in.linear_2.weight",
        "conditioning.second_time_in.linear_2.weight",
    ):
        assert student.get_parameter(name).grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in pipeline.transformer.parameters())


def test_what_a_family_cannot_be_told_is_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="embeds no guidance itself; give guidance 'added'"):
        Student.beside(Wan(), tiny_pipeline(Wan()).transformer, ConditioningConfig("native"))
    with pytest.raises(ValueError, match="no time embedding of dit is known"):
        Student.beside(Dit(), tiny_pipeline(Dit()).transformer, ConditioningConfig("added"))


class TestRung:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
    @torch.no_grad()
    def test_a_student_comes_back(self, tiny_pipeline, family, write_random, tmp_path):
        pipeline, config = tiny_pipeline(family), ConditioningConfig("added", "average")
        student = write_random(tmp_path, family, pipeline, config)
        found = read_student(tmp_path, family, pipeline.transformer, kinds=("restricted_meanflow",))
        assert found.config == config
        assert found.tensors().keys() == student.tensors().keys()
        assert all(torch.equal(value, found.tensors()[name]) for name, value in student.tensors().items())

    def test_weights_may_be_written_smaller_but_not_the_embedders(self, tiny_pipeline, tmp_path):
        student = Student.beside(Wan(), tiny_pipeline(Wan()).transformer, ConditioningConfig("added"))
        rung = write_student(
            tmp_path, student, kind="a", parent="", guidance_range=(1, 8), provenance={}, dtype=torch.bfloat16
        )
        types = {name.partition(".")[0]: value.dtype for name, value in read_tensors(tmp_path, rung).items()}
        assert types == {"transformer": torch.bfloat16, "conditioning": torch.float32}

    def test_another_architecture_is_refused(self, tiny_pipeline, write_random, tmp_path):
        family = Wan()
        write_random(tmp_path, family, tiny_pipeline(family), ConditioningConfig("added"))
        deeper = family.tiny(0, like="Wan-AI/Wan2.1-T2V-1.3B-Diffusers").transformer
        with pytest.raises(RungError, match=r"does not fit the model: missing blocks\.10"):
            read_student(tmp_path, family, deeper, kinds=("restricted_meanflow",))

    def test_a_card_that_does_not_say_its_conditions_is_refused(self, tmp_path, write_random, tiny_pipeline):
        write_random(tmp_path, Wan(), tiny_pipeline(Wan()), ConditioningConfig("added"))
        path = tmp_path / "rung.json"
        path.write_text(path.read_text().replace('"second_time"', '"third_time"'))
        rung = read_card(tmp_path, kinds=("restricted_meanflow",), family="wan")
        with pytest.raises(RungError, match=r"does not say which conditions it takes: .*third_time"):
            conditioning_of(rung)
