"""BlockDance: which steps are full, where the others begin, and from what."""

from __future__ import annotations

import pytest
import torch

from harness.discovery import discover_families
from methods.base import MethodError
from methods.blockdance import BlockDance, is_full
from methods.families.wan import Wan


def full_steps(num_steps: int, group_size: int, warmup_ratio: float) -> list[int]:
    return [step for step in range(num_steps) if is_full(step, num_steps, group_size, warmup_ratio)]


class TestSchedule:
    def test_of_mixcache(self):
        full = full_steps(50, 4, 0.4)
        assert full == [*range(20), 20, 24, 28, 32, 36, 40, 44, 48]
        assert (len(full), 50 - len(full)) == (28, 22)

    def test_without_warm_up(self):
        assert full_steps(8, 3, 0.0) == [0, 3, 6]

    @pytest.mark.parametrize("num_steps", [1, 2, 7, 50])
    def test_settings_that_compute_everything(self, num_steps):
        assert full_steps(num_steps, 1, 0.0) == full_steps(num_steps, 4, 1.0) == list(range(num_steps))

    def test_a_part_of_a_step_is_no_warm_up(self):
        assert full_steps(7, 9, 0.4) == [0, 1, 2]  # 2.8 steps, and the first one of a group
        assert full_steps(100, 99, 0.29) == list(range(30))  # 0.29 * 100 is less than 29 in binary


@pytest.mark.parametrize("name", ["wan", "hunyuan_video", "cogvideox", "latte"])
def test_skipped_blocks_run_in_full_steps_only(tiny_pipeline, generate, name):
    family = discover_families()[name]
    pipeline, calls = tiny_pipeline(family), {}
    stack = family.stack(family.transformer(pipeline))
    leaves = {
        index: next(m for m in block[-1].modules() if isinstance(m, torch.nn.Linear) and m.in_features < 4096)
        for index, block in enumerate(stack)
    }
    handles = [
        leaf.register_forward_hook(lambda *_, index=index: calls.update({index: calls.get(index, 0) + 1}))
        for index, leaf in leaves.items()
    ]
    branches, steps = len(family.branches(family.tiny_sampling())), family.tiny_sampling().num_inference_steps
    try:
        with BlockDance(group_size=2, block_index=1, warmup_ratio=0.0).apply(pipeline, family) as applied:
            generate(pipeline, family)
            actions = [one.action for one in applied.decisions()][::branches]
    finally:
        for handle in handles:
            handle.remove()
    full = len(range(0, steps, 2))
    assert [calls[index] for index in (0, 1)] == [full * branches] * 2
    assert all(calls[index] == steps * branches for index in range(2, len(stack)))
    assert actions == [("partial" if step % 2 else "compute") for step in range(steps)]


@pytest.mark.parametrize("name", ["wan", "hunyuan_video", "cogvideox"])
def test_later_steps_begin_with_what_the_full_step_had_there_in_all_streams(tiny_pipeline, generate, name):
    family = discover_families()[name]
    pipeline, seen = tiny_pipeline(family), []
    block = family.stack(family.transformer(pipeline))[2][0]

    def read(module, args, kwargs):
        values = [*args, *kwargs.values()]
        seen.append(values[: len(family.block_streams)])

    handle = block.register_forward_pre_hook(read, with_kwargs=True)
    branches = len(family.branches(family.tiny_sampling()))
    try:
        with BlockDance(group_size=3, block_index=1, warmup_ratio=0.0).apply(pipeline, family):
            generate(pipeline, family)
    finally:
        handle.remove()
    for branch in range(branches):
        own = seen[branch::branches]
        for step in range(len(own)):
            for now, then in zip(own[step], own[step - step % 3], strict=True):
                assert torch.equal(now, then)
        assert not torch.equal(own[0][0], own[3][0])


def test_an_index_may_count_the_single_stream_blocks(tiny_pipeline):
    family = discover_families()["hunyuan_video"]
    pipeline = tiny_pipeline(family)
    lists = dict(family.block_lists(pipeline.transformer))
    dual, single = lists["transformer_blocks"], lists["single_transformer_blocks"]
    with BlockDance(block_index=0, index_in="single_transformer_blocks").apply(pipeline, family):
        assert all("_diffusers_hook" in vars(block) for block in (*dual, single[0]))
        assert not any("_diffusers_hook" in vars(block) for block in single[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "block_index is 20; stack of WanTransformer3DModel has 4 blocks.*: give 0 to 2"),
        ({"block_index": 3}, "block_index is 3; .* give 0 to 2"),
        ({"block_index": 1, "index_in": "single"}, "index_in is 'single'; WanTransformer3DModel has stack, blocks"),
    ],
)
def test_a_block_that_is_not_there_is_refused(tiny_pipeline, arguments, message):
    with pytest.raises(MethodError, match=message):
        BlockDance(**arguments).apply(tiny_pipeline(Wan()), Wan())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group_size": 0}, "group_size is 0; give"),
        ({"block_index": -1}, "block_index is -1; give"),
        ({"warmup_ratio": 1.1}, "warmup_ratio is 1.1; give"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        BlockDance(**arguments)
