"""The predictor on a model that was not distilled."""

from __future__ import annotations

import pytest
import torch

from methods.families.latte import Latte
from methods.families.wan import Wan
from methods.predictor_only import PredictorOnly
from methods.students.random_rungs import write_random_predictor


@pytest.fixture
def pipeline(tiny_pipeline):
    return tiny_pipeline(Wan())


@pytest.fixture
def weights(pipeline, tmp_path):
    write_random_predictor(tmp_path, Wan(), pipeline.transformer)
    return str(tmp_path)


def test_a_list_of_all_steps_is_the_model_itself_bit_for_bit(pipeline, weights, generate):
    expected = generate(pipeline, Wan())
    with PredictorOnly(weights, 6, range(6)).apply(pipeline, Wan()) as applied:
        assert torch.equal(generate(pipeline, Wan()), expected)
        assert {decision.action for decision in applied.decisions()} == {"compute"}


def test_each_branch_of_guidance_has_its_own_cache(pipeline, weights, generate):
    method = PredictorOnly(weights, 6, (0, 3))
    with method.apply(pipeline, Wan()) as applied:
        generate(pipeline, Wan(), method.sampling(Wan().tiny_sampling()))
        decisions = [(decision.step_index, decision.branch, decision.action) for decision in applied.decisions()]
        tokens, width, float32 = 8, 24, 4
        assert applied.cache_bytes() == 2 * tokens * width * float32
    assert decisions[:2] == [(0, "cond", "compute"), (0, "uncond", "compute")]
    assert decisions[2:4] == [(1, "cond", "predict"), (1, "uncond", "predict")]


def test_guidance_stays_and_the_number_of_steps_changes():
    default = Wan().tiny_sampling()
    sampling = PredictorOnly("predictor", 8, (0, 4)).sampling(default)
    assert (sampling.num_inference_steps, sampling.guidance_scale) == (8, default.guidance_scale)


def test_says_where_no_predictor_fits():
    assert "attends over one axis" in PredictorOnly("predictor", 8, (0, 4)).unsupported(Latte())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 8, (0,)), "weights is empty"),
        (("predictor", 8, (0, 9)), "but there are 8 steps"),
        (("predictor", 8, (0,), "never"), "beyond_delta_max is 'never'; give raise or warn"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        PredictorOnly(*arguments)
