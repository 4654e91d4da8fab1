"""First Block Cache: the rule, that it is diffusers' bit for bit, and that a trace needs no values."""

from __future__ import annotations

import pytest
import torch
from diffusers import FirstBlockCacheConfig

from harness.discovery import discover_families
from methods.base import Decision, NothingHookedError
from methods.families.wan import Wan
from methods.first_block_cache import FirstBlockCache, is_full


def test_the_rule():
    assert is_full(0.11, 0.1)
    assert not is_full(0.1, 0.1)
    assert not is_full(0.0, 0.1)
    assert is_full(0.0, 0.0)


def distances(pipeline, family, generate):
    """Of the calls after the first step, all against that step."""
    with FirstBlockCache(1e6).apply(pipeline, family) as applied:
        generate(pipeline, family)
        return sorted(one.distance for one in applied.decisions() if one.distance is not None)


@pytest.mark.parametrize("name", ["wan", "wan_i2v", "hunyuan_video", "cogvideox"])
@pytest.mark.parametrize("share", [0.25, 0.6])
def test_makes_diffusers_videos(tiny_pipeline, generate, name, share):
    family = discover_families()[name]
    pipeline = tiny_pipeline(family)
    measured = distances(pipeline, family, generate)
    threshold = measured[int(share * len(measured))]
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    try:
        expected = generate(pipeline, family)
    finally:
        pipeline.transformer.disable_cache()
    with FirstBlockCache(threshold).apply(pipeline, family) as applied:
        assert torch.equal(generate(pipeline, family), expected)
        assert {one.action for one in applied.decisions()} == {"compute", "partial"}


def test_the_first_block_always_runs_and_the_others_at_full_steps_only(tiny_pipeline, generate):
    pipeline, counts = tiny_pipeline(Wan()), [0, 0]
    handles = [
        block.attn1.to_q.register_forward_hook(lambda *_, at=at: counts.__setitem__(at, counts[at] + 1))
        for at, block in enumerate(pipeline.transformer.blocks[:2])
    ]
    try:
        with FirstBlockCache(1e6).apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            decisions = applied.decisions()
    finally:
        for handle in handles:
            handle.remove()
    assert counts == [12, 2]
    assert [one.action for one in decisions] == ["compute"] * 2 + ["partial"] * 10
    assert [one.distance is None for one in decisions] == [True] * 2 + [False] * 10


def test_the_reference_is_the_last_full_steps(tiny_pipeline, generate):
    """Recomputed from what block 0 added at each step, read from outside."""
    pipeline, added = tiny_pipeline(Wan()), []
    threshold = distances(pipeline, Wan(), generate)[4]
    handle = pipeline.transformer.blocks[0].register_forward_hook(lambda _, args, out: added.append(out - args[0]))
    try:
        with FirstBlockCache(threshold).apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            decisions = applied.decisions()
    finally:
        handle.remove()
    for branch, name in enumerate(("cond", "uncond")):
        reference = None
        for residual, one in zip(added[branch::2], decisions[branch::2], strict=True):
            assert one.branch == name
            if reference is not None:
                change = float((residual - reference).abs().mean() / reference.abs().mean())
                assert one.distance == pytest.approx(change)
                assert one.action == ("compute" if change > threshold else "partial")
            if one.action == "compute":
                reference = residual


def test_holds_a_reference_and_a_residual_for_each_branch(tiny_pipeline, generate):
    pipeline = tiny_pipeline(Wan())
    with FirstBlockCache(1e6).apply(pipeline, Wan()) as applied:
        generate(pipeline, Wan())
        assert applied.cache_bytes() == 2 * 4 * 2 * 8 * 24


def test_follows_a_trace_without_values():
    family = Wan()
    pipeline = family.tiny(0)
    pipeline.scheduler.set_timesteps(6)
    transformer = pipeline.transformer.to("meta")
    trace = [
        Decision(step, branch, "compute" if step in (0, 3) else "partial")
        for step in range(6)
        for branch in ("cond", "uncond")
    ]
    with FirstBlockCache(0.1).apply(pipeline, family) as applied:
        applied.follow(trace)
        for _ in range(6):
            for call in family.transformer_calls(transformer, family.tiny_sampling()):
                with torch.no_grad(), transformer.cache_context(call.context_name):
                    transformer(**call.arguments)
        assert applied.decisions() == tuple(trace)
        assert applied.cache_bytes() == 2 * 4 * 2 * 8 * 24


def test_a_single_block_leaves_nothing_to_skip():
    pipeline = Wan().tiny(0)
    del pipeline.transformer.blocks[1:]
    with pytest.raises(NothingHookedError, match="no blocks in this range"):
        FirstBlockCache(0.1).apply(pipeline, Wan())


def test_refuses_impossible_values():
    with pytest.raises(ValueError, match=r"threshold is -0\.1; give 0"):
        FirstBlockCache(-0.1)
