"""Helpers across guidance branches: samples in outputs, conditional halves, and joining halves again."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import nn

from methods.base import MethodError
from methods.families.wan import Wan
from methods.hooks.guidance import conditional_half, form_of, half_of, is_guided, join_halves, sample_of


class UncondFirst(Wan):
    guidance = "batched"
    batched_branches = ("uncond", "cond")
    batched_arguments = ("hidden_states", "timestep", "encoder_hidden_states")


class CondFirst(UncondFirst):
    batched_branches = ("cond", "uncond")


class Denoiser(nn.Module):
    def forward(self, hidden_states, timestep, encoder_hidden_states=None, image_rotary_emb=None, return_dict=True):
        raise AssertionError("only its signature is asked for")


SAMPLE = torch.arange(4.0)


@pytest.mark.parametrize("output", [SAMPLE, (SAMPLE,), Transformer2DModelOutput(sample=SAMPLE)])
def test_a_sample_is_read_and_replaced_whatever_holds_it(output):
    assert sample_of(output) is SAMPLE
    other = torch.zeros(4)
    replaced = form_of(output)(other)
    assert type(replaced) is type(output)
    assert sample_of(replaced) is other


@pytest.mark.parametrize("output", [(SAMPLE, SAMPLE), {"noise": SAMPLE}, (), ("text",)])
def test_an_output_without_a_single_sample_is_refused(output):
    with pytest.raises(MethodError, match="no single sample"):
        sample_of(output)
    with pytest.raises(MethodError, match="no single sample"):
        form_of(output)


@pytest.mark.parametrize("positional", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(("family", "half"), [(UncondFirst(), 1), (CondFirst(), 0)])
def test_only_batched_arguments_are_halved_however_they_are_passed(family, half, positional):
    values = {
        "hidden_states": torch.tensor([[0.0], [1.0]]),
        "timestep": torch.tensor([10, 11]),
        "encoder_hidden_states": torch.tensor([[20.0], [21.0]]),
        "image_rotary_emb": torch.tensor([[30.0], [31.0]]),
        "return_dict": False,
    }
    args = tuple(values.values())[:positional]
    kwargs = dict(tuple(values.items())[positional:])
    halved_args, halved_kwargs = conditional_half(family, Denoiser(), args, kwargs)
    assert (len(halved_args), list(halved_kwargs)) == (positional, list(kwargs))
    halved = dict(zip(values, (*halved_args, *halved_kwargs.values()), strict=True))
    assert halved["hidden_states"].tolist() == [[float(half)]]
    assert halved["timestep"].tolist() == [10 + half]
    assert halved["encoder_hidden_states"].tolist() == [[20.0 + half]]
    assert halved["image_rotary_emb"] is values["image_rotary_emb"]
    assert halved["return_dict"] is False


@pytest.mark.parametrize("family", [UncondFirst(), CondFirst()])
def test_halves_are_joined_as_they_were(family):
    both = torch.randn(4, 3)
    joined = join_halves(family, half_of(family, both, "cond"), half_of(family, both, "uncond"))
    assert torch.equal(joined, both)
    assert torch.equal(half_of(family, both, family.batched_branches[0]), both[:2])


def test_a_call_is_guided_if_its_batch_is_even():
    for size in (1, 2, 3, 4):
        assert is_guided(UncondFirst(), Denoiser(), (torch.zeros(size, 3),), {}) is (size % 2 == 0)
    assert is_guided(Wan(), Denoiser(), (torch.zeros(2, 3),), {}) is False


def test_what_cannot_be_halved_is_refused():
    with pytest.raises(MethodError, match="wan does not batch"):
        join_halves(Wan(), SAMPLE, SAMPLE)
    with pytest.raises(MethodError, match="batch of 3 does not hold two branches"):
        half_of(UncondFirst(), torch.zeros(3), "cond")
    with pytest.raises(MethodError, match="no batched argument"):
        conditional_half(UncondFirst(), Denoiser(), (), {"return_dict": False})
