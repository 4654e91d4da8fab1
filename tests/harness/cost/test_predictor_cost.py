"""What DisCa's predictor costs on HunyuanVideo at the paper's size, from the architecture alone."""

from __future__ import annotations

import pytest
import torch

from harness.cost.replay import MetaModel
from methods.base import Sampling
from methods.disca import Disca
from methods.families.hunyuan_video import HunyuanVideo
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import write_rung

PAPER_FULL_STEP, PAPER_PREDICTOR = 3945.5232e12, 135.37e12
SAMPLING = Sampling(
    num_inference_steps=50,
    guidance_scale=6.0,
    height=704,
    width=704,
    num_frames=129,
    flow_shift=5.0,
    max_sequence_length=256,
    true_cfg_scale=6.0,
)
LISTS = {
    2: ((0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 18, 19), 52239.36e12),
    3: ((0, 1, 2, 4, 6, 8, 11, 13, 15, 17, 19), 44619.05e12),
    4: ((0, 1, 2, 5, 9, 13, 17, 19), 33188.56e12),
}
"""By the paper's N: a list of as many full steps as it has, and the FLOPs of its Table 7."""


@pytest.fixture(scope="module")
def model():
    family = HunyuanVideo()
    made = MetaModel(family, family.architectures()["hunyuanvideo-community/HunyuanVideo"], "bfloat16")
    yield made
    made.close()


@pytest.fixture
def method(tmp_path):
    """Weights are not read on the meta device, so the folders hold what describes them and nothing more."""
    nothing = {"family": "hunyuan_video", "provenance": {}, "tensors": {"none": torch.zeros(1)}}
    conditioning = ConditioningConfig("native", "average").as_json()
    student = write_rung(
        tmp_path / "student",
        kind="restricted_meanflow",
        parent="",
        config={"conditioning": conditioning, "guidance_range": (1, 8)},
        **nothing,
    )
    write_rung(
        tmp_path / "predictor",
        kind="disca_predictor",
        parent=student.weights_sha256,
        config={"predictor": {"num_blocks": 2, "fusion": "shared"}, "delta_max": 0.2},
        **nothing,
    )
    folders = str(tmp_path / "predictor"), str(tmp_path / "student")
    return lambda step_list: Disca(*folders, guidance_scale=6.0, step_list=step_list)


@pytest.mark.parametrize("interval", LISTS)
def test_a_predicted_step_costs_what_it_does_in_the_paper(interval, model, method):
    step_list, published = LISTS[interval]
    made = method(step_list)
    replayed = model.replay(made, made.sampling(SAMPLING), None)
    full = model.full_call_flops(made.sampling(SAMPLING))
    predicted = (replayed.flops - len(step_list) * full) / (20 - len(step_list))
    assert replayed.full_steps() == len(step_list)
    # 3.43 % of a full step, and ours 133.98 TFLOP of 3905.4 where the paper's code has 135.37 of 3945.5.
    assert predicted / full == pytest.approx(0.034307, abs=1e-6)
    assert predicted / full == pytest.approx(PAPER_PREDICTOR / PAPER_FULL_STEP, rel=1e-3)
    assert replayed.flops == pytest.approx(published, rel=0.0105)
    assert replayed.flops / full == pytest.approx(published / PAPER_FULL_STEP, rel=1e-3)


def test_the_predictors_weights_are_told(model, method):
    made = method(LISTS[4][0])
    # Two single blocks of width 3072 and the MLP that joins tokens: 311.5 million in bfloat16.
    assert model.replay(made, made.sampling(SAMPLING), None).added_weight_bytes / 2 == pytest.approx(311.5e6, rel=1e-3)


def test_the_cache_is_the_papers_single_token_state(model, method):
    made = method(LISTS[4][0])
    tokens, width, bfloat16 = 33 * 44 * 44 + 256, 3072, 2
    assert model.replay(made, made.sampling(SAMPLING), None).cache_bytes == tokens * width * bfloat16
