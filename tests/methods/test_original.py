"""The original: diffusers' own loop, only counted."""

from __future__ import annotations

import torch

from methods.families.wan import Wan
from methods.original import Original


def test_is_the_bare_pipeline_with_a_trace(tiny_pipeline, generate):
    family = Wan()
    pipeline = tiny_pipeline(family)
    expected = generate(pipeline, family)
    with Original().apply(pipeline, family) as applied:
        assert torch.equal(generate(pipeline, family), expected)
        assert applied.cache_bytes() == 0
        assert [decision.action for decision in applied.decisions()] == ["compute"] * 12
    assert Original().sampling(family.tiny_sampling()) == family.tiny_sampling()
    assert Original().config() == {}
