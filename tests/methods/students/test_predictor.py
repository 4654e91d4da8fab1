"""The predictor's network: what it is made of, and what it depends on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.families.cogvideox import CogVideoX
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.hunyuan_video15 import HunyuanVideo15
from methods.families.latte import Latte
from methods.families.wan import Wan
from methods.students.predictor import Predictor, PredictorConfig, make_predictor, unsupported_predictor

FAMILIES = [Wan(), HunyuanVideo(), HunyuanVideo15(), CogVideoX()]
WIDTH = 4


class Block(nn.Module):
    """A block with two streams that adds a modulation to both, and notes what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, hidden_states, encoder_hidden_states, temb, mask=None):
        self.mask = mask
        return hidden_states + self.scale * temb, encoder_hidden_states + self.scale * temb


def two_streams(fusion):
    torch.manual_seed(0)
    return Predictor([Block(), Block()], WIDTH, ("hidden_states", "encoder_hidden_states"), fusion)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_blocks_are_of_the_transformers_last_kind(family, tiny_pipeline):
    transformer = family.transformer(tiny_pipeline(family))
    last = family.stack(transformer)[-1][-1]
    predictor = make_predictor(family, transformer, PredictorConfig(num_blocks=3), seed=0)
    assert [type(block) for block in predictor.blocks] == [type(last)] * 3
    shapes = {name: (value.shape, value.dtype) for name, value in last.state_dict().items()}
    for block in predictor.blocks:
        assert {name: (value.shape, value.dtype) for name, value in block.state_dict().items()} == shapes
        assert not any(torch.equal(own, other) for own, other in zip(_matrices(block), _matrices(last), strict=True))


def test_weights_follow_from_the_seed_and_leave_the_callers_randomness_alone(tiny_pipeline):
    family = Wan()
    transformer = family.transformer(tiny_pipeline(family))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    made = [make_predictor(family, transformer, PredictorConfig(), seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(2), expected)
    first, same, other = ([value for value in one.parameters() if value.dim() > 1] for one in made)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_without_a_seed_there_are_no_weights_but_all_shapes(tiny_pipeline):
    family = HunyuanVideo()
    transformer = family.transformer(tiny_pipeline(family))
    empty = make_predictor(family, transformer, PredictorConfig()).state_dict()
    full = make_predictor(family, transformer, PredictorConfig(), seed=0).state_dict()
    assert all(value.is_meta for value in empty.values())
    assert {name: value.shape for name, value in empty.items()} == {name: value.shape for name, value in full.items()}


def test_weights_have_the_types_of_the_transformers_own_blocks():
    family = Wan()
    transformer = family.tiny(0).transformer.to(torch.bfloat16)
    transformer.blocks[-1].scale_shift_table.data = transformer.blocks[-1].scale_shift_table.data.float()
    predictor = make_predictor(family, transformer, PredictorConfig(), seed=0)
    assert {value.dtype for value in predictor.fusion.parameters()} == {torch.bfloat16}
    assert {block.scale_shift_table.dtype for block in predictor.blocks} == {torch.float32}
    assert {block.attn1.to_q.weight.dtype for block in predictor.blocks} == {torch.bfloat16}


def test_attention_runs_on_the_transformers_backend():
    family = Wan()
    transformer = family.tiny(0).transformer
    transformer.set_attention_backend("_native_math")
    predictor = make_predictor(family, transformer, PredictorConfig(), seed=0)
    backends = {block.attn1.processor._attention_backend for block in transformer.blocks}
    assert {block.attn1.processor._attention_backend for block in predictor.blocks} == backends
    assert backends != {None}


@pytest.mark.parametrize(("fusion", "mlps"), [("shared", 1), ("separate", 2)])
@torch.no_grad()
def test_fusion_joins_current_and_cached_tokens_of_each_stream(fusion, mlps):
    predictor = two_streams(fusion)
    assert len(predictor.fusion) == mlps
    video, text, video_before, text_before = torch.randn(4, 1, 3, WIDTH)
    temb = torch.randn(1, 1, WIDTH)
    hidden, encoder = predictor((video_before, text_before), video, text, temb, mask="mask")
    for index, (now, before, got) in enumerate([(video, video_before, hidden), (text, text_before, encoder)]):
        expected = predictor.fusion[index % mlps](torch.cat((now, before), dim=-1)) + 2 * temb
        assert torch.allclose(got, expected, atol=1e-6)
    assert predictor.blocks[1].mask == "mask"


@torch.no_grad()
def test_streams_may_be_given_by_name():
    predictor = two_streams("separate")
    video, text, before, temb = torch.randn(4, 1, 3, WIDTH)
    by_place = predictor((before, before), video, text, temb)
    by_name = predictor((before, before), hidden_states=video, encoder_hidden_states=text, temb=temb)
    assert all(torch.equal(a, b) for a, b in zip(by_place, by_name, strict=True))


def test_a_stack_of_alternating_blocks_is_refused_with_the_reason():
    assert "attends over one axis" in unsupported_predictor(Latte())
    assert unsupported_predictor(Wan()) is None


def test_a_configuration_without_depth_is_refused():
    class Bare(nn.Module):
        pass

    family = Wan()
    bare = Bare()
    bare.config = {}
    bare.blocks = nn.ModuleList([Block()])
    with pytest.raises(ValueError, match="Bare's configuration has none of num_layers, num_single_layers"):
        make_predictor(family, bare, PredictorConfig())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"num_blocks": 0}, "num_blocks of the predictor is 0"), ({"fusion": "sum"}, "fusion of the predictor is 'sum'")],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        PredictorConfig(**arguments)


def _matrices(block):
    return [value for value in block.parameters() if value.dim() > 1]
