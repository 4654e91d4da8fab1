"""DisCa: which steps run the stack, what the predictor is given, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from methods.base import MethodError, NothingHookedError
from methods.disca import Disca
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.hunyuan_video15 import HunyuanVideo15
from methods.families.wan import Wan
from methods.students.attached_predictor import AppliedStudentWithPredictor
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import write_predictor
from methods.students.random_rungs import write_random_predictor, write_random_student
from methods.students.rung import RungError

FAMILIES = [Wan(), HunyuanVideo()]


@pytest.fixture
def rungs(tmp_path):
    """A student of a pipeline and a predictor for it."""

    def make(family, pipeline, **changed):
        student = write_random_student(tmp_path / "student", family, pipeline.transformer)
        parent = changed.pop("parent", student.weights_sha256)
        config = PredictorConfig()
        predictor = make_predictor(family, pipeline.transformer, config, seed=1)
        delta_max = changed.pop("delta_max", 1.0)
        write_predictor(
            tmp_path / "predictor",
            predictor.state_dict(),
            config,
            family=family,
            parent=parent,
            delta_max=delta_max,
            provenance={},
        )
        settings = {"num_inference_steps": 6, "step_list": (0, 1, 4), "guidance_scale": 4.0}
        folders = {"weights": str(tmp_path / "predictor"), "student_weights": str(tmp_path / "student")}
        return Disca(**folders | settings | changed)

    return make


def run(generate, pipeline, family, method):
    return generate(pipeline, family, method.sampling(family.tiny_sampling()))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_blocks_run_in_the_listed_steps_only_and_everything_else_in_all(family, generate, rungs):
    pipeline = family.tiny(3)
    method = rungs(family, pipeline)
    ran: dict[str, int] = {}

    def counted(name, module):
        forward = module.forward
        module.forward = lambda *args, **kwargs: (ran.update({name: ran.get(name, 0) + 1}), forward(*args, **kwargs))[1]

    stack = [block for depth in family.stack(pipeline.transformer) for block in depth]
    for name, module in (
        ("first", stack[0].attn1 if family.name == "wan" else stack[0].attn),
        ("last", stack[-1].attn1 if family.name == "wan" else stack[-1].attn),
        ("time", family.time_embedding(pipeline.transformer)),
        ("output layer", pipeline.transformer.proj_out),
    ):
        counted(name, module)
    with method.apply(pipeline, family) as applied:
        run(generate, pipeline, family, method)
        actions = [decision.action for decision in applied.decisions()]
    assert ran == {"first": 3, "last": 3, "time": 6, "output layer": 6}
    assert actions == ["compute", "compute", "predict", "predict", "compute", "predict"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_predictor_gets_the_tokens_that_enter_the_stack_those_it_last_returned_and_the_conditions(
    family, generate, rungs
):
    pipeline = family.tiny(3)
    method = rungs(family, pipeline)
    stack = [block for depth in family.stack(pipeline.transformer) for block in depth]
    entered, left, given = [], [], []
    stack[0].register_forward_pre_hook(lambda module, args: entered.append(args))
    stack[-1].register_forward_hook(lambda module, args, output: left.append(output))
    with method.apply(pipeline, family):
        predictor = pipeline.transformer.disca_predictor
        predictor.register_forward_pre_hook(lambda module, args: given.append(args))
        predictor.register_forward_hook(lambda module, args, output: left.append(output))
        run(generate, pipeline, family, method)
    streams = len(family.block_streams)
    # `left` has the last block's output and, in predicted steps, the predictor's, which is then also the block's.
    full = [tokens if isinstance(tokens, tuple) else (tokens,) for tokens in (left[0], left[1], left[6])]
    for call, (step, cache) in enumerate(((2, full[1]), (3, full[1]), (5, full[2]))):
        cached, *arguments = given[call]
        assert all(torch.equal(a, b) for a, b in zip(cached, cache, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(arguments[:streams], entered[step][:streams], strict=True))
        temb = 2
        assert torch.equal(arguments[temb], entered[step][temb])
        assert not torch.equal(arguments[temb], entered[0][temb])


def test_a_list_of_all_steps_is_the_student_itself(generate, rungs):
    family = Wan()
    pipeline = family.tiny(3)
    method = rungs(family, pipeline, step_list=range(6))
    sampling = method.sampling(family.tiny_sampling())
    with method.apply(pipeline, family) as applied:
        assert isinstance(applied, AppliedStudentWithPredictor)
        video = generate(pipeline, family, sampling)
        assert {decision.action for decision in applied.decisions()} == {"compute"}
    other = dataclasses.replace(method, step_list=(0,))
    with other.apply(pipeline, family):
        assert not torch.equal(generate(pipeline, family, sampling), video)
    without = rungs(family, pipeline, step_list=range(6), weights=method.weights)
    with without.apply(pipeline, family):
        assert torch.equal(generate(pipeline, family, sampling), video)


def test_the_cache_is_one_token_state(generate, rungs):
    family = HunyuanVideo()
    pipeline = family.tiny(3)
    method = rungs(family, pipeline)
    with method.apply(pipeline, family) as applied:
        run(generate, pipeline, family, method)
        video_tokens, text_tokens, width, float32 = 2 * 2 * 2, 8, 32, 4
        assert applied.cache_bytes() == (video_tokens + text_tokens) * width * float32


def test_sampling_is_the_students():
    default = HunyuanVideo().tiny_sampling()
    with_student = Disca("predictor", "student", 6.0).sampling(default)
    assert (with_student.num_inference_steps, with_student.guidance_scale, with_student.true_cfg_scale) == (
        20,
        1.0,
        None,
    )
    loaded = Disca("predictor", num_inference_steps=8, step_list=(0, 2, 4, 7)).sampling(default)
    assert loaded == dataclasses.replace(default, num_inference_steps=8)


def test_the_released_list_is_the_default():
    assert Disca("predictor").step_list == (0, 1, 2, 5, 9, 13, 17, 19)
    assert Disca("predictor", step_list=[0, 3]).step_list == (0, 3)


def test_where_no_student_can_be_told_its_conditions_the_loaded_model_may_be_one(generate, tmp_path):
    family = HunyuanVideo15()
    assert "not known for this architecture" in Disca("predictor", "student", 6.0).unsupported(family)
    method = Disca(str(tmp_path / "predictor"), num_inference_steps=6, step_list=(0, 2, 4))
    assert method.unsupported(family) is None
    pipeline = family.tiny(0)
    write_random_predictor(tmp_path / "predictor", family, pipeline.transformer)
    with method.apply(pipeline, family) as applied:
        run(generate, pipeline, family, method)
        assert applied.decisions()[2].action == "predict"


def test_a_predictor_of_another_student_is_refused(rungs, attributes_of):
    family = Wan()
    pipeline = family.tiny(3)
    before = attributes_of(pipeline.transformer)
    with pytest.raises(
        RungError, match=r"was trained for the student 000000000000, .* give the student it was trained"
    ):
        rungs(family, pipeline, parent="0" * 64).apply(pipeline, family)
    assert attributes_of(pipeline.transformer) == before


def test_caches_older_than_in_training_are_refused_or_warned_of(generate, rungs):
    family = Wan()
    pipeline = family.tiny(3)
    method = rungs(family, pipeline, delta_max=0.1)
    with (
        method.apply(pipeline, family),
        pytest.raises(MethodError, match=r"predicts step 5 from a cache 0\.423 of sigma old"),
    ):
        run(generate, pipeline, family, method)
    warned = dataclasses.replace(method, beyond_delta_max="warn")
    with warned.apply(pipeline, family), pytest.warns(UserWarning, match="beyond delta_max 0.1"):
        run(generate, pipeline, family, warned)


def test_a_short_run_to_warm_up_is_not_judged(generate, rungs):
    family = Wan()
    pipeline = family.tiny(3)
    method = rungs(family, pipeline, delta_max=0.01, step_list=(0, 5))
    sampling = dataclasses.replace(method.sampling(family.tiny_sampling()), num_inference_steps=2)
    with method.apply(pipeline, family) as applied:
        generate(pipeline, family, sampling)
        assert [decision.action for decision in applied.decisions()] == ["compute", "predict"]


def test_a_transformer_without_blocks_is_refused(rungs, monkeypatch):
    family = Wan()
    pipeline = family.tiny(3)
    method = rungs(family, pipeline)
    monkeypatch.setattr(Wan, "block_lists", lambda self, transformer: [])
    with pytest.raises(NothingHookedError, match="has no blocks that a predictor could stand in for"):
        method.apply(pipeline, family)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": ""}, "weights is empty"),
        ({"student_weights": "student"}, "student_weights is 'student' and guidance_scale None; give both"),
        ({"guidance_scale": 6.0}, "student_weights is None and guidance_scale 6.0; give both"),
        ({"student_weights": "student", "guidance_scale": 0.0}, "guidance_scale is 0.0; give more than 0"),
        ({"step_list": (1, 2)}, "step_list is '1 2'; it must begin with 0"),
        ({"num_inference_steps": 8}, "but there are 8 steps"),
        ({"beyond_delta_max": "ignore"}, "beyond_delta_max is 'ignore'; give raise or warn"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        Disca(**{"weights": "predictor"} | arguments)
