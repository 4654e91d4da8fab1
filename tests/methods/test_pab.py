"""PAB: the window, the counters, and that each branch gets its own attention."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import CogVideoXDPMScheduler, UniPCMultistepScheduler

from methods.families.latte import Latte
from methods.families.wan import Wan
from methods.pab import Pab, is_computed, mlp_reusing_steps


def computed_steps(timesteps: list[float], skip_range: int, window: tuple[float, float]) -> list[int]:
    return [step for step, timestep in enumerate(timesteps) if is_computed(step, timestep, skip_range, window)]


def wan_timesteps(shift: float, num_steps: int = 50) -> list[float]:
    """With the solver that Wan 2.1 is published with."""
    scheduler = UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=shift, prediction_type="flow_prediction")
    scheduler.set_timesteps(num_steps)
    return scheduler.timesteps.tolist()


@pytest.mark.parametrize(("shift", "inside", "computed"), [(7.0, 18, 35), (3.0, 27, 27), (5.0, 21, 32)])
def test_the_window_lies_on_shifted_timesteps(shift, inside, computed):
    timesteps = wan_timesteps(shift)
    assert sum(100 < timestep < 800 for timestep in timesteps) == inside
    assert len(computed_steps(timesteps, 8, (100, 800))) == computed


def test_cogvideox_has_the_most_steps_inside():
    scheduler = CogVideoXDPMScheduler(timestep_spacing="trailing", prediction_type="v_prediction")
    scheduler.set_timesteps(50)
    timesteps = scheduler.timesteps.tolist()
    assert sum(100 < timestep < 800 for timestep in timesteps) in (34, 35)
    assert 0.38 <= len(computed_steps(timesteps, 8, (100, 800))) / 50 <= 0.40


@pytest.mark.parametrize(("interval", "warm_up", "full"), [(5, 0, 10), (8, 0, 7), (8, 2, 8)])
def test_disca_s_full_steps_of_50(tiny_pipeline, generate, interval, warm_up, full):
    method = Pab(interval, (-1, 1001), cross_attention_block_skip_range=interval, warm_up_steps=warm_up)
    sampling = dataclasses.replace(Wan().tiny_sampling(), num_inference_steps=50, guidance_scale=1.0)
    pipeline = tiny_pipeline(Wan())
    with method.apply(pipeline, Wan()) as applied:
        generate(pipeline, Wan(), sampling)
        actions = [decision.action for decision in applied.decisions()]
    assert actions.count("compute") == full
    assert actions.count("partial") == 50 - full


def test_range_8_on_wan_computes_outside_of_the_window_and_at_multiples_of_8():
    timesteps = wan_timesteps(3.0)
    first = next(step for step, timestep in enumerate(timesteps) if timestep < 800)
    last = max(step for step, timestep in enumerate(timesteps) if timestep > 100)
    outside = [step for step in range(50) if not first <= step <= last]
    assert computed_steps(timesteps, 8, (100, 800)) == sorted({*outside, *range(0, 50, 8)})


def test_the_window_is_open_at_both_ends():
    assert computed_steps([1000, 800, 799, 101, 100, 50], 7, (100, 800)) == [0, 1, 4, 5]


def test_the_first_call_is_computed_wherever_the_window_lies():
    assert computed_steps([500, 400, 300], 8, (-1, 1001)) == [0]


@pytest.mark.parametrize("window", [(100, 800), (-1, 1001)])
def test_range_1_computes_always(window):
    assert computed_steps(wan_timesteps(3.0), 1, window) == list(range(50))


class TestOnWan:
    """Six steps, all inside the window."""

    @staticmethod
    def count(pipeline, method, generate, **sampling):
        """How often the attentions of a block ran, by kind and branch."""
        family = Wan()
        counts = {(kind, branch): 0 for kind in ("attn1", "attn2") for branch in ("cond", "uncond")}
        with method.apply(pipeline, family) as applied:

            def ran(kind):
                counts[kind, applied.controller.call.branch] += 1

            block = pipeline.transformer.blocks[1]
            handles = [
                block.get_submodule(kind).to_q.register_forward_hook(lambda *_, kind=kind: ran(kind))
                for kind in ("attn1", "attn2")
            ]
            try:
                generate(pipeline, family, dataclasses.replace(family.tiny_sampling(), **sampling))
            finally:
                for handle in handles:
                    handle.remove()
            return counts, applied

    def test_both_branches_compute_their_attention(self, tiny_pipeline, generate):
        method = Pab(block_skip_range=8, timestep_skip_range=(-1, 1001), cross_attention_block_skip_range=4)
        counts, _ = self.count(tiny_pipeline(Wan()), method, generate)
        assert counts == {
            ("attn1", "cond"): 1,
            ("attn1", "uncond"): 1,
            ("attn2", "cond"): 2,
            ("attn2", "uncond"): 2,
        }

    def test_cross_attention_always_runs_by_default(self, tiny_pipeline, generate):
        counts, _ = self.count(tiny_pipeline(Wan()), Pab(2, (-1, 1001)), generate)
        assert counts == {
            ("attn1", "cond"): 3,
            ("attn1", "uncond"): 3,
            ("attn2", "cond"): 6,
            ("attn2", "uncond"): 6,
        }

    def test_each_branch_is_served_its_own_attention(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        method = Pab(block_skip_range=8, timestep_skip_range=(-1, 1001))
        with method.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan(), dataclasses.replace(Wan().tiny_sampling(), negative_prompt="a blue square"))
            cond, uncond = (applied.store.get(("blocks.3.attn1", branch)) for branch in ("cond", "uncond"))
            assert not torch.equal(cond, uncond)

    def test_outside_of_the_window_nothing_is_reused(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        with Pab(block_skip_range=100).apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            timesteps = Wan().timesteps(pipeline)
            expected = ["partial" if 100 < timestep < 800 else "compute" for timestep in timesteps]
            assert [decision.action for decision in applied.decisions()[::2]] == expected
            assert [decision.action for decision in applied.decisions()[1::2]] == expected
        assert len(set(expected)) == 2


LATTE = Pab(
    block_skip_range=2,
    temporal_attention_block_skip_range=3,
    cross_attention_block_skip_range=6,
    timestep_skip_range=(100, 800),
    mlp_broadcast_timesteps=(720, 640, 560, 480, 400),
)
"""VideoSys's defaults for Latte."""


class TestFeedForward:
    def test_the_steps_after_a_listed_timestep_reuse(self):
        timesteps = [980.0 - 20 * step for step in range(50)]
        reusing = mlp_reusing_steps(timesteps, LATTE.mlp_broadcast_timesteps, LATTE.mlp_broadcast_steps)
        assert sorted(timesteps[step] for step in reusing) == sorted(
            time - offset for time in LATTE.mlp_broadcast_timesteps for offset in (20, 40)
        )

    def test_a_listed_timestep_stands_for_the_nearest_step_the_earlier_of_two(self):
        assert mlp_reusing_steps([900, 700, 500, 300, 100], [800], 1) == {1}
        assert mlp_reusing_steps([900, 700, 500, 300, 100], [690], 2) == {2, 3}

    def test_a_listed_step_computes_and_the_end_ends_it(self):
        assert mlp_reusing_steps([900, 700, 500, 300], [900, 700, 300], 2) == {2}
        assert mlp_reusing_steps([900, 700, 500, 300], [500], 3) == {3}

    def test_the_listed_blocks_alone_are_broadcast(self, tiny_pipeline, generate):
        pipeline, family = tiny_pipeline(Wan()), Wan()
        method = Pab(1, mlp_broadcast_timesteps=(1000,), mlp_broadcast_blocks=(1, 3), mlp_broadcast_steps=3)
        counts = dict.fromkeys(range(4), 0)
        handles = [
            block.ffn.get_submodule("net.2").register_forward_hook(
                lambda *_, index=index: counts.update({index: counts[index] + 1})
            )
            for index, block in enumerate(pipeline.transformer.blocks)
        ]
        try:
            with method.apply(pipeline, family) as applied:
                generate(pipeline, family)
                actions = [decision.action for decision in applied.decisions()]
        finally:
            for handle in handles:
                handle.remove()
        assert actions == ["compute"] * 2 + ["partial"] * 6 + ["compute"] * 4
        assert counts == {0: 12, 1: 6, 2: 12, 3: 6}


class TestOnLatte:
    """Spatial and temporal attention, each at its own range; six steps, one batched call each."""

    @pytest.mark.parametrize(("temporal", "runs"), [(3, 2), (None, 3)])
    def test_temporal_attention_has_its_own_range_or_the_spatial_one(self, generate, temporal, runs):
        family = Latte()
        pipeline = family.tiny(4)
        counts = {"transformer_blocks": 0, "temporal_transformer_blocks": 0}
        for name in counts:
            block = pipeline.transformer.get_submodule(name)[0]
            block.attn1.to_q.register_forward_hook(lambda *_, name=name: counts.update({name: counts[name] + 1}))
        method = dataclasses.replace(
            LATTE, temporal_attention_block_skip_range=temporal, timestep_skip_range=(-1, 1001)
        )
        with method.apply(pipeline, family):
            generate(pipeline, family, dataclasses.replace(family.tiny_sampling(), num_inference_steps=6))
        assert counts == {"transformer_blocks": 3, "temporal_transformer_blocks": runs}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temporal_attention_block_skip_range": 0}, "temporal_attention_block_skip_range is 0; give"),
        ({"mlp_broadcast_steps": 0}, "mlp_broadcast_steps is 0; give"),
        ({"warm_up_steps": -1}, "warm_up_steps is -1; give 0"),
        ({"block_skip_range": 0}, "block_skip_range is 0; give"),
        ({"cross_attention_block_skip_range": -2}, "cross_attention_block_skip_range is -2; give"),
        ({"timestep_skip_range": (800, 100)}, r"timestep_skip_range is \(800, 100\); give two"),
        ({"timestep_skip_range": (1, 2, 3)}, r"timestep_skip_range is \(1, 2, 3\); give two"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        Pab(**arguments)
