"""Seed protocols: their published formulas, and what they must not depend on."""

from __future__ import annotations

import inspect

import pytest
import torch

from harness.errors import SuiteError
from harness.seeds import PROTOCOLS, parse_seed_protocol, seed_of


def test_index_is_the_sample_index():
    assert [seed_of("index", prompt_index=7, sample_index=index) for index in range(3)] == [0, 1, 2]


def test_vbench_wan_is_100000_prompt_plus_sample_and_never_repeats():
    assert seed_of("vbench-wan", prompt_index=3, sample_index=4) == 300_004
    seeds = [seed_of("vbench-wan", prompt_index=p, sample_index=s) for p in range(20) for s in range(5)]
    assert len(set(seeds)) == 100


def test_fixed_is_always_the_same():
    assert {seed_of("fixed:42", prompt_index=p, sample_index=s) for p in range(3) for s in range(3)} == {42}


def test_a_seed_is_a_function_of_protocol_prompt_and_sample_alone():
    assert set(inspect.signature(seed_of).parameters) == {"protocol", "prompt_index", "sample_index"}


@pytest.mark.parametrize("protocol", ["", "fixed", "fixed:", "fixed:-1", "fixed:1.5", "Index", "vbench", "index:3"])
def test_an_unknown_protocol_is_refused_with_value_and_remedy(protocol):
    with pytest.raises(SuiteError) as caught:
        parse_seed_protocol(protocol)
    assert repr(protocol) in str(caught.value)
    assert all(known in str(caught.value) for known in PROTOCOLS)


def test_every_accepted_seed_fits_a_torch_generator():
    """A longer number would only fail on the worker, once for each cell."""
    with pytest.raises(SuiteError):
        seed_of("fixed:" + "9" * 19, prompt_index=0, sample_index=0)
    torch.Generator().manual_seed(seed_of("fixed:" + "9" * 18, prompt_index=0, sample_index=0))
