"""TaylorSeer: which steps are full, what is foretold in between, and that diffusers foretells the same."""

from __future__ import annotations

import pytest
import torch
from diffusers.hooks import TaylorSeerCacheConfig, apply_taylorseer_cache

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.fora import Fora
from methods.taylorseer import TaylorSeer, is_full

WAN = {"cache_identifiers": [r"blocks\.\d+\.(attn1|attn2|ffn)"]}
HUNYUAN_VIDEO = {
    "cache_identifiers": [
        r"transformer_blocks\.\d+\.(attn|ff|ff_context)",
        r"single_transformer_blocks\.\d+\.proj_out",
    ],
    "skip_predict_identifiers": [r"single_transformer_blocks\.\d+\.(attn|proj_mlp)"],
}


def full_steps(num_steps: int, warm_up: int, interval: int, schedule: str) -> list[int]:
    return [step for step in range(num_steps) if is_full(step, warm_up, interval, schedule)]


@pytest.mark.parametrize(
    ("schedule", "warm_up", "interval", "steps"),
    [
        ("official", 3, 6, [0, 1, 2, 8, 14, 20, 26, 32, 38, 44]),
        ("diffusers", 3, 6, [0, 1, 2, 4, 10, 16, 22, 28, 34, 40, 46]),
        ("official", 4, 6, [0, 1, 2, 3, 9, 15, 21, 27, 33, 39, 45]),
        ("official", 1, 5, [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]),
    ],
)
def test_full_steps_of_50(schedule, warm_up, interval, steps):
    assert full_steps(50, warm_up, interval, schedule) == steps


def test_the_numbers_that_disca_s_table_has_and_has_not():
    assert len(full_steps(50, 3, 6, "diffusers")) == len(full_steps(50, 4, 6, "official")) == 11
    # Its row for N = 3 has exactly 20, which neither schedule gives.
    assert len(full_steps(50, 3, 3, "official")) == 18
    assert len(full_steps(50, 3, 3, "diffusers")) == 19


@pytest.mark.parametrize("schedule", ["official", "diffusers"])
def test_an_interval_of_1_is_always_full(schedule):
    for warm_up in (1, 2, 5):
        assert full_steps(20, warm_up, 1, schedule) == list(range(20))


def with_diffusers(family, generate, **settings):
    """The video of a new tiny pipeline under diffusers' own hooks."""
    pipeline = family.tiny(4)
    transformer = family.transformer(pipeline)
    apply_taylorseer_cache(
        transformer,
        TaylorSeerCacheConfig(
            cache_interval=3, disable_cache_before_step=2, taylor_factors_dtype=torch.float32, **settings
        ),
    )
    return generate(pipeline, family)


class TestAgreesWithDiffusers:
    """Up to rounding: ours adds a factor times its weight in one operation."""

    @pytest.mark.parametrize("max_order", [0, 1, 2])
    @pytest.mark.parametrize(("family", "patterns"), [(Wan(), WAN), (HunyuanVideo(), HUNYUAN_VIDEO)])
    def test_on_all_modules(self, generate, family, patterns, max_order):
        pipeline = family.tiny(4)
        original = generate(pipeline, family)
        method = TaylorSeer(cache_interval=3, max_order=max_order, disable_cache_before_step=2, schedule="diffusers")
        with method.apply(pipeline, family) as applied:
            ours = generate(pipeline, family)
            assert "partial" in {decision.action for decision in applied.decisions()}
        theirs = with_diffusers(family, generate, max_order=max_order, **patterns)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(ours, original, rtol=1e-3, atol=1e-4)

    def test_on_the_output_alone(self, generate):
        family, pipeline = Wan(), Wan().tiny(4)
        method = TaylorSeer(3, 1, disable_cache_before_step=2, schedule="diffusers", target="output")
        with method.apply(pipeline, family):
            ours = generate(pipeline, family)
        theirs = with_diffusers(family, generate, max_order=1, use_lite_mode=True)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

    def test_whose_default_patterns_match_nothing_on_wan(self, generate):
        family = Wan()
        assert torch.equal(with_diffusers(family, generate, max_order=1), generate(family.tiny(4), family))


class TestOnWan:
    @staticmethod
    def apply(method, generate, seed=4):
        family, pipeline = Wan(), Wan().tiny(seed)
        seen = {"to_q": 0, "time": 0}
        block = pipeline.transformer.blocks[2]
        block.attn2.to_q.register_forward_hook(lambda *_: seen.update(to_q=seen["to_q"] + 1))
        embedder = pipeline.transformer.condition_embedder.time_embedder
        embedder.register_forward_hook(lambda *_: seen.update(time=seen["time"] + 1))
        with method.apply(pipeline, family) as applied:
            video = generate(pipeline, family)
            return video, seen, applied.decisions(), applied.cache_bytes()

    def test_branches_share_the_full_steps_and_keep_their_own_factors(self, generate):
        _, seen, decisions, _ = self.apply(TaylorSeer(3, disable_cache_before_step=1), generate)
        assert [one.action for one in decisions] == (["compute"] * 2 + ["partial"] * 4) * 2
        assert seen == {"to_q": 4, "time": 12}

    def test_the_whole_output_is_foretold_without_any_call(self, generate):
        _, seen, decisions, _ = self.apply(TaylorSeer(3, disable_cache_before_step=1, target="output"), generate)
        assert [one.action for one in decisions] == (["compute"] * 2 + ["predict"] * 4) * 2
        assert seen == {"to_q": 4, "time": 4}

    @pytest.mark.parametrize("max_order", [0, 1, 2])
    def test_holds_one_tensor_for_each_order_module_and_branch(self, generate, max_order):
        held = self.apply(TaylorSeer(2, max_order, disable_cache_before_step=1), generate)[3]
        assert held == (max_order + 1) * 2 * 4 * 3 * (8 * 24 * 4)

    def test_factors_in_float32_take_twice_the_bytes_of_bfloat16(self, generate):
        held = {
            dtype: self.apply(TaylorSeer(2, 1, 1, taylor_factors_dtype=dtype), generate)[3]
            for dtype in ("float32", "bfloat16")
        }
        assert held["float32"] == 2 * held["bfloat16"]

    def test_the_official_schedule_begins_to_form_differences_late(self, generate):
        # After a warm-up of 3, order 2 has only one difference on step 3, where diffusers has two.
        videos = {
            order: self.apply(TaylorSeer(50, order, disable_cache_before_step=3), generate)[0] for order in (1, 2)
        }
        assert torch.equal(videos[1], videos[2])
        # Full steps 0-2, 4 beside 0-2 alone: take both at the same steps, so that only the differences differ.
        early = [TaylorSeer(50, order, 3, schedule="diffusers") for order in (1, 2)]
        assert not torch.equal(*(self.apply(method, generate)[0] for method in early))

    def test_order_0_is_plain_reuse(self, generate):
        family, pipeline = Wan(), Wan().tiny(4)
        with Fora(cache_interval=3).apply(pipeline, family):
            expected = generate(pipeline, family)
        assert torch.equal(self.apply(TaylorSeer(3, 0, disable_cache_before_step=1), generate)[0], expected)


def test_the_parts_of_a_fused_projection_are_passed_over(generate):
    family = HunyuanVideo()
    pipeline = family.tiny(4)
    ran = {"attn": 0, "proj_mlp": 0, "proj_out": 0}

    def counted(name, forward):
        return lambda *args: (ran.update({name: ran[name] + 1}), forward(*args))[1]

    block = pipeline.transformer.single_transformer_blocks[0]
    for name, module in (("attn", block.attn.to_q), ("proj_mlp", block.proj_mlp), ("proj_out", block.proj_out)):
        module.forward = counted(name, module.forward)
    with TaylorSeer(3, disable_cache_before_step=1).apply(pipeline, family) as applied:
        generate(pipeline, family)
        full = [decision for decision in applied.decisions() if decision.action == "compute"]
    assert ran == dict.fromkeys(ran, len(full))
    assert 0 < len(full) < family.tiny_sampling().num_inference_steps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache_interval": 0}, "cache_interval is 0; give"),
        ({"max_order": -1}, "max_order is -1; give"),
        ({"disable_cache_before_step": 0}, "disable_cache_before_step is 0; give at least 1"),
        ({"schedule": "up"}, "schedule is 'up'; give one of official, diffusers"),
        ({"target": "blocks"}, "target is 'blocks'; give one of modules, output"),
        ({"taylor_factors_dtype": "float16"}, "taylor_factors_dtype is 'float16'; give one of float32, bfloat16"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaylorSeer(**arguments)
