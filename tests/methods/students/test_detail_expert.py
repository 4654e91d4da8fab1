"""The detail expert: begins as the transformer, is its additions and own modules, and leaves nothing behind."""

from __future__ import annotations

import pytest
import torch

from methods.families.cogvideox import CogVideoX
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.detail_expert import DetailConfig, DetailExpert

FAMILIES = [Wan(), HunyuanVideo()]
SMALL = DetailConfig(rank=2, alpha=4.0)


def say(family, transformer):
    call = family.transformer_calls(transformer, family.tiny_sampling())[0]
    generator = torch.Generator().manual_seed(0)
    arguments = {
        name: torch.rand(value.shape, generator=generator) if isinstance(value, torch.Tensor) else value
        for name, value in call.arguments.items()
    }
    arguments |= {name: value for name, value in call.arguments.items() if "mask" in name}
    return transformer(**arguments)[0]


@pytest.fixture
def transformer(tiny_pipeline):
    return lambda family: tiny_pipeline(family).transformer


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@torch.no_grad()
def test_begins_as_the_transformer(family, transformer):
    model = transformer(family)
    expert = DetailExpert(family, model, SMALL)
    expert.start(model)
    expected = say(family, model)
    with expert.installed(model):
        assert torch.equal(say(family, model), expected)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@torch.no_grad()
def test_is_the_transformer_with_its_weights_in_it(family, transformer, merged, attributes_of):
    model = transformer(family)
    expert = DetailExpert(family, model, SMALL)
    expert.start(model)
    torch.manual_seed(0)
    for parameter in expert.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.1)
    before, plain = attributes_of(model), say(family, model)
    with expert.installed(model):
        found = say(family, model)
    torch.testing.assert_close(found, say(family, merged(model, expert.state_dict(), 2.0)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-2)
    assert torch.equal(say(family, model), plain)
    after = attributes_of(model)
    assert all("forward" not in after[name] or "forward" in before[name] for name in after)


def test_what_counts_in_the_transformer_is_not_copied(transformer, monkeypatch):
    model = transformer(Wan())
    monkeypatch.setattr(model.proj_out, "forward", model.proj_out.forward)
    assert "forward" not in vars(DetailExpert(Wan(), model, SMALL).own["proj_out"])


def test_weights_have_the_places_of_the_transformers(transformer):
    expert = DetailExpert(HunyuanVideo(), transformer(HunyuanVideo()), SMALL)
    names = set(expert.state_dict())
    assert "low_rank.transformer_blocks.1.attn.to_out.0.down.weight" in names
    assert "own.time_text_embed.guidance_embedder.linear_1.weight" in names
    assert set(expert.own) == {"time_text_embed", "norm_out", "proj_out"}


def test_is_refused_where_none_is_known(transformer):
    with pytest.raises(ValueError, match="no detail expert is known for cogvideox"):
        DetailExpert(CogVideoX(), transformer(CogVideoX()), SMALL)


def test_refuses_impossible_values():
    with pytest.raises(ValueError, match=r"rank is 0 and alpha 256\.0; give at least 1"):
        DetailConfig(rank=0)
