"""Guidance and r in the time embedding: what they start as, what they do, and that they can be differentiated."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.embeddings import TimestepEmbedding
from torch.autograd import forward_ad

from methods.students.conditioning import (
    Conditioning,
    ConditioningConfig,
    Conditions,
    conditioned,
    hold_constant,
    native_guidance,
)


@pytest.fixture
def time_embedding():
    torch.manual_seed(0)
    return TimestepEmbedding(16, 8)


EMBEDDED = torch.linspace(-1, 1, 16).reshape(2, 8)
CONDITIONS = Conditions(guidance=torch.tensor([1.0, 6.0]), t=torch.tensor([0.9, 0.5]), r=torch.tensor([0.4, 0.5]))


def made(config, time_embedding, *, start):
    conditioning = Conditioning(config, time_embedding)
    if start:
        conditioning.start(time_embedding)
    return conditioning


@pytest.mark.parametrize("value", ["r", "interval"])
def test_sum_starts_as_if_nothing_were_told(time_embedding, value):
    config = ConditioningConfig("added", "sum", value)
    assert torch.equal(made(config, time_embedding, start=True)(EMBEDDED, CONDITIONS), EMBEDDED)


def test_average_starts_as_the_time_embedding_where_r_is_t(time_embedding):
    conditioning = made(ConditioningConfig("added", "average"), time_embedding, start=True)
    seen = []
    time_embedding.register_forward_hook(lambda module, args, output: seen.append(output))
    same = Conditions(guidance=CONDITIONS.guidance, t=CONDITIONS.t, r=CONDITIONS.t)
    embedded = conditioning._embed(time_embedding, CONDITIONS.t)
    assert torch.equal(conditioning(embedded, same), embedded)
    told = conditioning(embedded, CONDITIONS)
    torch.testing.assert_close(told[0], (embedded[0] + conditioning._embed(time_embedding, CONDITIONS.r)[0]) / 2)
    assert not torch.equal(told[0], embedded[0])


@pytest.mark.parametrize(
    ("config", "same"),
    [
        (ConditioningConfig("added"), {"t", "r"}),
        (ConditioningConfig(second_time="sum"), {"guidance", "t"}),
        (ConditioningConfig(second_time="average"), {"guidance", "t"}),
        (ConditioningConfig(second_time="sum", second_time_value="interval"), {"guidance"}),
        (ConditioningConfig("native"), {"guidance", "t", "r"}),
    ],
)
def test_depends_on_what_it_is_configured_for_and_on_nothing_else(time_embedding, config, same):
    conditioning = made(config, time_embedding, start=False)
    values = {"guidance": torch.tensor([2.0]), "t": torch.tensor([0.8]), "r": torch.tensor([0.3])}
    before = conditioning(EMBEDDED, Conditions(**values))
    for name in values:
        after = conditioning(EMBEDDED, Conditions(**values | {name: values[name] + 0.05}))
        assert torch.equal(before, after) == (name in same), name


def test_interval_sees_the_difference_alone(time_embedding):
    conditioning = made(ConditioningConfig("none", "sum", "interval"), time_embedding, start=False)
    one = conditioning(EMBEDDED, Conditions(t=torch.tensor([0.75]), r=torch.tensor([0.5])))
    other = conditioning(EMBEDDED, Conditions(t=torch.tensor([0.5]), r=torch.tensor([0.25])))
    assert torch.equal(one, other)


def test_one_condition_serves_a_whole_batch(time_embedding):
    conditioning = made(ConditioningConfig("added", "sum"), time_embedding, start=False)
    one = Conditions(guidance=torch.tensor([3.0]), t=torch.tensor([0.5]), r=torch.tensor([0.25]))
    both = Conditions(**{name: getattr(one, name).expand(2) for name in ("guidance", "t", "r")})
    torch.testing.assert_close(conditioning(EMBEDDED, one), conditioning(EMBEDDED, both))


def test_embedders_stay_in_float32_and_the_output_keeps_its_type(time_embedding):
    time_embedding.bfloat16()
    conditioning = made(ConditioningConfig("added", "average"), time_embedding, start=True)
    assert {value.dtype for value in conditioning.state_dict().values()} == {torch.float32}
    assert conditioning(EMBEDDED.bfloat16(), CONDITIONS).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert conditioning(EMBEDDED, CONDITIONS).dtype == torch.float32


def test_is_in_force_only_while_entered(time_embedding):
    conditioning = made(ConditioningConfig("added"), time_embedding, start=False)
    sinusoid = torch.randn(2, 16)
    before = time_embedding(sinusoid)
    with conditioned(conditioning, time_embedding, CONDITIONS):
        assert torch.equal(time_embedding(sinusoid), conditioning(before, CONDITIONS))
    assert torch.equal(time_embedding(sinusoid), before)
    assert not time_embedding._forward_hooks


def test_forward_mode_goes_through_t_and_r(time_embedding):
    conditioning = made(ConditioningConfig("none", "sum", "interval"), time_embedding, start=False)

    def at(t):
        return conditioning(EMBEDDED, Conditions(t=t, r=torch.tensor([0.3])))

    with forward_ad.dual_level():
        _, derivative = forward_ad.unpack_dual(at(forward_ad.make_dual(torch.tensor([0.4]), torch.ones(1))))
    step = 1e-5  # the fastest frequency turns by 1000 a unit, and 1000 t has seven digits
    expected = (at(torch.tensor([0.4 + step])) - at(torch.tensor([0.4 - step]))) / (2 * step)
    assert expected.abs().max() > 1
    torch.testing.assert_close(derivative, expected.detach(), rtol=0.02, atol=0.02 * expected.abs().max().item())


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (ConditioningConfig("added"), "guidance"),
        (ConditioningConfig(second_time="sum"), "r"),
        (ConditioningConfig(second_time="sum", second_time_value="interval"), "t"),
    ],
)
def test_what_is_not_told_is_named(time_embedding, config, missing):
    told = {"guidance": torch.ones(1), "t": torch.ones(1), "r": torch.ones(1)} | {missing: None}
    with pytest.raises(ValueError, match=f"takes {missing} and was called without"):
        made(config, time_embedding, start=False)(EMBEDDED, Conditions(**told))


def test_native_guidance_is_not_rounded():
    told = native_guidance(torch.tensor([6.0], dtype=torch.float32), 2)
    assert told.tolist() == [6000.0, 6000.0]
    assert told.dtype == torch.float32
    assert (torch.tensor([6.0], dtype=torch.bfloat16) * 1000).item() == 6016


def test_a_native_embedder_held_constant_says_the_same_for_every_scale():
    torch.manual_seed(1)
    embedder = TimestepEmbedding(16, 8)
    conditioning = Conditioning(ConditioningConfig(), embedder)
    expected = conditioning._embed(embedder, torch.tensor([6.0]))
    hold_constant(embedder, 6.0)
    for scale in (1.0, 6.0, 8.0):
        torch.testing.assert_close(conditioning._embed(embedder, torch.tensor([scale])), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"guidance": "yes"}, "guidance is 'yes'; give one of none, native, added"),
        ({"second_time": "concat"}, "second_time is 'concat'; give one of none, sum, average"),
        ({"second_time": "average", "second_time_value": "interval"}, "goes with second_time_value 'r'"),
    ],
)
def test_refuses_what_is_not_known(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConditioningConfig(**arguments)


def test_survives_json_and_refuses_other_fields():
    config = ConditioningConfig("native", "average")
    assert ConditioningConfig.from_json(config.as_json()) == config
    with pytest.raises(ValueError, match=r"unknown fields \['more'\]"):
        ConditioningConfig.from_json(config.as_json() | {"more": 1})
    with pytest.raises(ValueError, match=r"missing or unknown fields \['guidance'\]"):
        ConditioningConfig.from_json({"second_time": "sum", "second_time_value": "r"})
