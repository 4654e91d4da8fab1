"""What caches hold on a model of twice the blocks: the part of DisCa's claim (e) that one model cannot show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.cost.replay import MetaModel
from methods.delta_dit import DeltaDit
from methods.families.hunyuan_video import HunyuanVideo
from methods.fora import Fora
from methods.pab import Pab
from methods.predictor_only import PredictorOnly
from methods.students.random_rungs import write_random_predictor
from methods.taylorseer import TaylorSeer

FAMILY = HunyuanVideo()
SAMPLING = replace(FAMILY.tiny_sampling(), num_inference_steps=4, true_cfg_scale=None)
MULTI_LAYER = [
    Fora(cache_interval=2),
    Pab(block_skip_range=2, timestep_skip_range=(-1, 1001)),
    TaylorSeer(cache_interval=2, max_order=1, disable_cache_before_step=2),
]


def architecture(double, single):
    transformer = FAMILY.tiny(0).transformer
    blocks = {"num_layers": double, "num_single_layers": single}
    return {"transformer": {**transformer.config, **blocks, "_class_name": type(transformer).__name__}}


@pytest.fixture(scope="module")
def cache_bytes():
    """Of a method on a shallow model, and on one of twice its blocks."""
    models = [MetaModel(FAMILY, architecture(*blocks), "float32") for blocks in ((2, 4), (4, 8))]
    yield lambda method: [model.replay(method, SAMPLING, None).cache_bytes for model in models]
    for model in models:
        model.close()


@pytest.mark.parametrize("method", MULTI_LAYER, ids=lambda method: type(method).__name__)
def test_a_cache_of_every_layer_grows_with_them(cache_bytes, method):
    shallow, deep = cache_bytes(method)
    assert deep == 2 * shallow > 0


def test_a_cache_of_one_state_does_not(cache_bytes, tmp_path):
    write_random_predictor(tmp_path, FAMILY, FAMILY.tiny(0).transformer)
    predictor = PredictorOnly(str(tmp_path), num_inference_steps=4, step_list=(0, 2))
    held = [cache_bytes(method) for method in (DeltaDit(cache_interval=2), predictor)]
    assert held[0] == held[1]
    assert held[0][0] == held[0][1] > 0
