"""FORA: which steps are full, and that what is reused meets the current gates."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.fora import Fora, is_full


def full_steps(num_steps: int, interval: int, schedule: str) -> list[int]:
    return [step for step in range(num_steps) if is_full(step, num_steps, interval, schedule)]


@pytest.mark.parametrize(
    ("num_steps", "interval", "schedule", "count"),
    [
        (50, 3, "descending", 18),
        (50, 6, "descending", 10),
        (250, 3, "descending", 84),
        (250, 5, "descending", 51),
        (50, 6, "ascending", 9),
        (50, 3, "ascending", 17),
    ],
)
def test_published_numbers_of_full_steps(num_steps, interval, schedule, count):
    assert len(full_steps(num_steps, interval, schedule)) == count


def test_schedules_by_hand():
    assert full_steps(8, 3, "ascending") == [0, 3, 6]
    assert full_steps(8, 3, "descending") == [0, 1, 4, 7]


@pytest.mark.parametrize("schedule", ["ascending", "descending"])
@pytest.mark.parametrize("num_steps", [1, 2, 7, 50])
def test_every_schedule_begins_full_and_never_waits_longer_than_the_interval(num_steps, schedule):
    for interval in range(1, num_steps + 2):
        steps = full_steps(num_steps, interval, schedule)
        assert steps[0] == 0
        assert all(0 < later - earlier <= interval for earlier, later in pairwise(steps))
        assert num_steps - 1 - steps[-1] < interval
        assert schedule == "ascending" or steps[-1] == num_steps - 1
        assert interval > 1 or steps == list(range(num_steps))


def test_modules_run_in_full_steps_only_and_once_for_each_branch(tiny_pipeline, generate):
    family = Wan()
    pipeline = tiny_pipeline(family)
    calls: dict[str, int] = {}
    handles = [
        child.register_forward_hook(lambda *_, name=name: calls.update({name: calls.get(name, 0) + 1}))
        for name in ("attn1", "attn2", "ffn")
        for child in [pipeline.transformer.blocks[2].get_submodule(f"{name}").get_submodule(_linear(name))]
    ]
    try:
        with Fora(cache_interval=4).apply(pipeline, family) as applied:
            generate(pipeline, family)
            actions = [decision.action for decision in applied.decisions()]
    finally:
        for handle in handles:
            handle.remove()
    assert calls == {"attn1": 4, "attn2": 4, "ffn": 4}
    assert actions == ["compute"] * 2 + ["partial"] * 6 + ["compute"] * 2 + ["partial"] * 2


def test_single_stream_blocks_reuse_the_fused_output_and_pass_over_what_feeds_it(generate):
    family = HunyuanVideo()
    pipeline = family.tiny(4)
    ran = {"attn": 0, "proj_mlp": 0, "proj_out": 0}

    def counted(name, forward):
        return lambda *args: (ran.update({name: ran[name] + 1}), forward(*args))[1]

    block = pipeline.transformer.single_transformer_blocks[0]
    for name, module in (("attn", block.attn.to_q), ("proj_mlp", block.proj_mlp), ("proj_out", block.proj_out)):
        module.forward = counted(name, module.forward)
    with Fora(cache_interval=3).apply(pipeline, family) as applied:
        generate(pipeline, family)
        full = [decision for decision in applied.decisions() if decision.action == "compute"]
        assert ("single_transformer_blocks.0.proj_out", full[0].branch) in applied.store
        assert ("single_transformer_blocks.0.attn", full[0].branch) not in applied.store
    assert ran == dict.fromkeys(ran, len(full))
    assert 0 < len(full) < len(applied.decisions())


def _linear(name: str) -> str:
    return "net.2" if name == "ffn" else "to_v"


@torch.no_grad()
def test_reused_outputs_are_weighed_with_the_current_gates(generate):
    """With gates that do not depend on time a reused step repeats the last; with Wan's it must not."""
    family = Wan()
    pipeline = family.tiny(5)
    outputs = []
    pipeline.transformer.blocks[0].register_forward_hook(lambda module, args, output: outputs.append(output - args[0]))
    with Fora(cache_interval=6).apply(pipeline, family):
        generate(pipeline, family)
    changing = [not torch.allclose(outputs[0], later) for later in outputs[2::2]]
    assert all(changing)
    pipeline.transformer.condition_embedder.time_proj.weight.zero_()
    outputs.clear()
    with Fora(cache_interval=6).apply(pipeline, family):
        generate(pipeline, family)
    assert all(torch.allclose(outputs[0], later, atol=1e-5) for later in outputs[2::2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache_interval": 0}, "cache_interval is 0; give"),
        ({"cache_interval": 2, "schedule": "up"}, "schedule is 'up'; give one of ascending, descending"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        Fora(**arguments)
