"""Delta-DiT: DisCa's and the original's schedules, which blocks they replace, and by what."""

from __future__ import annotations

import pytest
import torch

from harness.discovery import discover_families
from methods.base import MethodError
from methods.delta_dit import DeltaDit, cached_side, default_cached_blocks, is_full
from methods.families.wan import Wan


@pytest.mark.parametrize(("interval", "count"), [(5, 10), (8, 7), (1, 50), (2, 25), (50, 1)])
def test_full_steps_of_50(interval, count):
    assert sum(is_full(step, interval) for step in range(50)) == count


def test_full_step_equivalents_of_discas_table_7():
    cached = 1 - default_cached_blocks(60, 40) / 60
    for full, published in ((10, 23.335), (7, 21.335)):
        assert full + (50 - full) * cached == pytest.approx(published, abs=0.003)


def test_speedup_of_the_original():
    """1.6x at N = 2 on 28 blocks, 21 of them replaced."""
    assert pytest.approx(1.6) == 1 / (0.5 + 0.5 * (28 - 21) / 28)


@pytest.mark.parametrize(
    ("blocks", "single", "count"), [(60, 40, 40), (54, 0, 36), (42, 0, 28), (40, 0, 27), (30, 0, 20), (1, 0, 1)]
)
def test_blocks_replaced_where_nothing_is_said(blocks, single, count):
    assert default_cached_blocks(blocks, single) == count


class TestSide:
    def test_without_stages_it_is_the_back(self):
        assert {cached_side(step, 3, None) for step in range(20)} == {"back"}

    def test_front_after_the_switch(self):
        assert [cached_side(step, 2, 4) for step in range(6)] == ["back"] * 4 + ["front"] * 2
        assert {cached_side(step, 2, 0) for step in range(6)} == {"front"}

    def test_a_group_of_steps_never_changes_sides(self):
        # The group of steps 3 to 5 begins before the switch at 4 and stays.
        assert [cached_side(step, 3, 4) for step in range(8)] == ["back"] * 6 + ["front"] * 2


class Runs:
    """How often each block really ran, by what only its insides see."""

    def __init__(self, family, pipeline):
        self.stack = family.stack(family.transformer(pipeline))
        self.steps: list[list[int]] = [[] for _ in self.stack]
        self.call = -1

    def __enter__(self):
        def ran(index):
            return lambda *_: self.steps[index].append(self.call)

        self.handles = []
        for index, block in enumerate(self.stack):
            leaf = next(module for module in block[0].modules() if isinstance(module, torch.nn.Linear))
            self.handles.append(leaf.register_forward_hook(ran(index)))
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()


def runs(family, pipeline, generate, method):
    """Steps at which each block ran in the conditional or only branch, and the decisions."""
    with Runs(family, pipeline) as seen, method.apply(pipeline, family) as applied:
        begin = applied.begin_call

        def counted(call):
            seen.call = call.step_index if call.branch != "uncond" else -1
            begin(call)

        applied.begin_call = counted
        generate(pipeline, family)
        return [[step for step in steps if step >= 0] for steps in seen.steps], applied.decisions()


EVERY = [0, 1, 2, 3, 4, 5]


def test_the_last_blocks_are_replaced(tiny_pipeline, generate):
    steps, decisions = runs(Wan(), tiny_pipeline(Wan()), generate, DeltaDit(3, num_cached_blocks=2))
    assert steps == [EVERY, EVERY, [0, 3], [0, 3]]
    assert [one.action for one in decisions[::2]] == ["compute", "partial", "partial"] * 2
    assert {one.level for one in decisions} == {None, "back"}


def test_stages_replace_the_last_and_then_the_first_blocks_which_may_overlap(tiny_pipeline, generate):
    method = DeltaDit(2, num_cached_blocks=3, stage_switch_step=2)
    steps, decisions = runs(Wan(), tiny_pipeline(Wan()), generate, method)
    assert steps == [[0, 1, 2, 4], [0, 2, 4], [0, 2, 4], [0, 2, 3, 4, 5]]
    assert [one.level for one in decisions[::2]] == [None, "back", None, "front", None, "front"]


def test_all_blocks_are_the_whole_stack(tiny_pipeline, generate):
    steps, decisions = runs(Wan(), tiny_pipeline(Wan()), generate, DeltaDit(2, num_cached_blocks=4))
    assert steps == [[0, 2, 4]] * 4
    assert {one.action for one in decisions} == {"compute", "reuse"}


def test_on_hunyuan_video_the_single_stream_blocks_are_replaced(tiny_pipeline, generate):
    family = discover_families()["hunyuan_video"]
    pipeline = tiny_pipeline(family)
    lists = dict(family.block_lists(pipeline.transformer))
    steps, _ = runs(family, pipeline, generate, DeltaDit(2))
    dual = len(lists["transformer_blocks"])
    total = family.tiny_sampling().num_inference_steps
    assert len(steps) > dual > 0
    assert steps == [list(range(total))] * dual + [list(range(0, total, 2))] * (len(steps) - dual)


@pytest.mark.parametrize("switch", [None, 0])
def test_a_cached_step_adds_what_the_full_step_added(tiny_pipeline, generate, switch):
    pipeline, inputs, outputs = tiny_pipeline(Wan()), [], []
    blocks = pipeline.transformer.blocks
    first, last = (2, 3) if switch is None else (0, 1)
    handles = [
        blocks[first].register_forward_pre_hook(lambda _, args: inputs.append(args[0])),
        blocks[last].register_forward_hook(lambda _, args, output: outputs.append(output)),
    ]
    try:
        with DeltaDit(6, num_cached_blocks=2, stage_switch_step=switch).apply(pipeline, Wan()):
            generate(pipeline, Wan())
    finally:
        for handle in handles:
            handle.remove()
    added = [output - before for before, output in zip(inputs, outputs, strict=True)]
    for branch in (0, 1):
        for later in added[branch::2]:
            torch.testing.assert_close(later, added[branch], rtol=1e-4, atol=1e-5)
        assert not torch.equal(inputs[branch], inputs[branch + 2])
    assert not torch.allclose(added[0], added[1])


@pytest.mark.parametrize("switch", [None, 2])
def test_holds_one_residual_for_each_branch_also_after_the_switch(tiny_pipeline, generate, switch):
    pipeline = tiny_pipeline(Wan())
    with DeltaDit(2, num_cached_blocks=3, stage_switch_step=switch).apply(pipeline, Wan()) as applied:
        generate(pipeline, Wan())
        assert applied.cache_bytes() == 2 * 4 * 8 * 24


def test_more_blocks_than_there_are_is_refused(tiny_pipeline):
    with pytest.raises(MethodError, match="num_cached_blocks is 21; WanTransformer3DModel has 4 blocks"):
        DeltaDit(2, num_cached_blocks=21).apply(tiny_pipeline(Wan()), Wan())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache_interval": 0}, "cache_interval is 0; give"),
        ({"cache_interval": 2, "num_cached_blocks": 0}, "num_cached_blocks is 0; give"),
        ({"cache_interval": 2, "stage_switch_step": -1}, "stage_switch_step is -1; give"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        DeltaDit(**arguments)
