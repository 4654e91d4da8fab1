"""AdaCache: codebooks and rates by hand, motion, and that the hooks follow the rule."""

from __future__ import annotations

import pytest
import torch

from harness.discovery import discover_families
from methods.adacache import CODEBOOKS, AdaCache, RateRule, motion_score, relative_change
from methods.base import Decision, MethodError
from methods.families.wan import Wan

EVERY_OTHER = {"codebook": "custom", "codebook_thresholds": (1e6,), "codebook_rates": (2,)}


def full_steps(method: AdaCache, num_steps: int, change: float = 0.0, motion: float | None = None) -> list[int]:
    """Full steps, counted from 1 as the paper does, if every measurement gave the same."""
    rule, full = RateRule(method, num_steps), []
    for index in range(num_steps):
        if rule.is_full(index):
            rule.enter(index)
            full.append(index + 1)
            if index and rule.is_measured(index):
                rule.measure(change, motion)
    return full


class TestCodebooks:
    @pytest.mark.parametrize(
        ("name", "rates"),
        [
            ("fast_30", {0.0: 6, 0.0799: 6, 0.08: 5, 0.2: 4, 0.3: 3, 0.39: 2, 0.4: 1, 0.9: 1, 5.0: 1}),
            ("slow_30", {0.0: 3, 0.08: 2, 0.16: 1, 0.3: 1, 5.0: 1}),
            ("fast_100", {0.0: 12, 0.03: 10, 0.06: 8, 0.08: 6, 0.1: 4, 0.11: 3, 5.0: 3}),
            ("medium_100", {0.0: 8, 0.03: 6, 0.06: 4, 0.08: 2, 0.09: 1, 5.0: 1}),
            ("slow_100", {0.0: 2, 0.03: 1, 5.0: 1}),
        ],
    )
    def test_rates_by_distance(self, name, rates):
        assert {distance: CODEBOOKS[name].rate(distance) for distance in rates} == rates

    def test_an_unmeasurable_distance_takes_the_last_rate(self):
        assert CODEBOOKS["fast_30"].rate(float("nan")) == 1

    def test_an_own_one(self):
        book = AdaCache("custom", codebook_thresholds=[0.1, 0.5], codebook_rates=[4, 2]).book()
        assert [book.rate(distance) for distance in (0.05, 0.1, 0.5, 2.0)] == [4, 2, 2, 2]


class TestRates:
    def test_a_still_video_takes_the_highest_rate(self):
        # 2 gives 6; 8, 14, 20, 26 do; 32 is past the end, where 29 and 30 are full anyway.
        assert full_steps(AdaCache("fast_30"), 30) == [1, 2, 8, 14, 20, 26, 29, 30]
        assert full_steps(AdaCache("fast_100"), 100) == [1, 2, 14, 26, 38, 50, 62, 74, 86, 98, 99, 100]

    def test_a_change_counts_for_each_step_since_the_last_full_one(self):
        # 0.1 at rate 1 gives 5, 0.1 / 5 gives 6, 0.1 / 6 again.
        assert full_steps(AdaCache("fast_30"), 30, change=0.1) == [1, 2, 7, 13, 19, 25, 29, 30]
        # 0.35 gives 2, 0.175 gives 4, 0.0875 gives 5, 0.07 gives 6, and so on.
        assert full_steps(AdaCache("fast_30"), 30, change=0.35) == [1, 2, 4, 8, 13, 19, 25, 29, 30]

    def test_large_changes_skip_nothing(self):
        assert full_steps(AdaCache("fast_30"), 30, change=1.0) == list(range(1, 31))

    @pytest.mark.parametrize("num_steps", [1, 2, 3, 4, 7])
    def test_first_two_and_last_two_are_always_full(self, num_steps):
        full = full_steps(AdaCache("fast_30"), num_steps)
        assert full == sorted({1, min(2, num_steps), max(1, num_steps - 1), num_steps})

    def test_reports_the_distance_it_compared(self):
        rule = RateRule(AdaCache("fast_30"), 30)
        assert rule.measure(0.2, None) == 0.2
        assert rule.rate == 4
        assert rule.measure(0.2, None) == 0.05
        assert rule.rate == 6

    def test_the_last_two_steps_need_no_measurement(self):
        rule = RateRule(AdaCache("fast_30"), 30)
        assert [index + 1 for index in range(30) if not rule.is_measured(index)] == [29, 30]


class TestMotionRegularisation:
    DOUBLE = 0.385 * 2 ** (1 / 8)
    """The motion that doubles the distance in a steady state."""

    def test_none_at_the_reference_motion(self):
        still = AdaCache("fast_30")
        assert full_steps(AdaCache("fast_30", apply_moreg=True), 30, 0.1, 0.385) == full_steps(still, 30, 0.1)

    def test_by_hand(self):
        rule = RateRule(AdaCache("fast_30", apply_moreg=True), 30)
        rule.enter(4)  # step 5, inside 4 to 26
        # M = 2, and 10 times its rise from 1 at rate 1: 0.02 * (2 + 10).
        assert rule.measure(0.02, self.DOUBLE) == pytest.approx(0.24)
        assert rule.rate == 3
        rule.enter(7)
        # M stays 2, so its gradient is 0: 0.06 / 3 * 2.
        assert rule.measure(0.06, self.DOUBLE) == pytest.approx(0.04)
        assert rule.rate == 6
        rule.enter(13)
        # M falls to 1: 0.06 / 6 * (1 + 10 * 1 / 6).
        assert rule.measure(0.06, 0.385) == pytest.approx(0.01 * (1 + 10 / 6))

    def test_acts_inside_its_window_only(self):
        rule = RateRule(AdaCache("fast_30", apply_moreg=True), 30)
        for step, factor in ((3, 1.0), (27, 1.0), (4, 12.0)):
            rule.rate = 1
            rule.enter(step - 1)
            assert rule.measure(0.01, self.DOUBLE) == pytest.approx(0.01 * factor)
        rule.rate = 1
        rule.enter(26)  # leaving it at step 27 M falls from 2 to 1, which the gradient sees
        assert rule.measure(0.01, self.DOUBLE) == pytest.approx(0.01 * 11)

    @pytest.mark.parametrize(
        ("method", "num_steps", "expected"),
        [
            (AdaCache("fast_30"), 30, (4, 26)),
            (AdaCache("slow_30"), 60, (8, 52)),
            (AdaCache("fast_100"), 100, (10, 90)),
            (AdaCache("fast_100"), 50, (5, 45)),
            (AdaCache(**EVERY_OTHER), 50, (5, 45)),
            (AdaCache("fast_30", moreg_steps=[3, 7]), 30, (3, 7)),
        ],
    )
    def test_windows_scale_with_the_steps(self, method, num_steps, expected):
        assert method.moreg_range(num_steps) == expected

    def test_is_refused_on_images(self):
        class Images(Wan):
            name = "images"
            latent_layout = "BCHW"

        assert "images makes single images" in AdaCache(apply_moreg=True).unsupported(Images())
        assert AdaCache().unsupported(Images()) is None
        assert AdaCache(apply_moreg=True).unsupported(Wan()) is None


class TestMeasurements:
    def test_relative_change(self):
        before, after = torch.tensor([1.0, -2.0, 1.0]), torch.tensor([1.0, -1.0, 0.0])
        assert relative_change(before, after).item() == 0.5

    def test_sums_keep_their_precision_in_bfloat16(self):
        before = torch.ones(1 << 18, dtype=torch.bfloat16)
        after = before.clone()
        after[: 1 << 14] = 2.0
        assert relative_change(before, after).item() == pytest.approx(1 / 16)

    def test_motion_of_a_still_and_of_an_alternating_video(self):
        still = torch.ones(2, 4, 3, 5)
        sign = torch.tensor([1.0, -1.0, 1.0, -1.0])[None, :, None, None]
        assert motion_score(still.flatten(1, 2), 4, (1,)).item() == 0
        assert motion_score((still * sign).flatten(1, 2), 4, (1,)).item() == 1
        assert motion_score((still * sign).flatten(1, 2), 4, (1, 2)).item() == 0.5

    def test_motion_by_hand(self):
        # Frames 1, 2, 4 of two tokens each: (1 + 2) / ((2 + 4) + (1 + 2)).
        frames = torch.tensor([1.0, 1.0, 2.0, 2.0, 4.0, 4.0])[None, :, None]
        assert motion_score(frames, 3, (1,)).item() == pytest.approx(1 / 3)

    @pytest.mark.parametrize(("num_frames", "strides"), [(1, (1,)), (2, (1, 2)), (4, (1,))])
    def test_motion_needs_frames(self, num_frames, strides):
        with pytest.raises(MethodError, match="make more frames, or leave apply_moreg out"):
            motion_score(torch.ones(1, 6, 3), num_frames, strides)


@pytest.mark.parametrize("name", ["wan", "hunyuan_video", "cogvideox", "latte"])
def test_motion_is_that_of_frames_in_every_layout(tiny_pipeline, generate, name):
    """Decided on the fly from tokens that the family lays out in its own way."""
    family = discover_families()[name]
    method = AdaCache(**EVERY_OTHER, apply_moreg=True, moreg_steps=(1, 9))
    plain = AdaCache(**EVERY_OTHER)
    found = []
    for one in (plain, method):
        with one.apply(tiny_pipeline(family), family) as applied:
            generate(tiny_pipeline(family), family)
            found.append([decision.distance for decision in applied.decisions() if decision.distance is not None])
    assert found[0]
    assert len(found[0]) == len(found[1])
    assert all(0 < regular != plain for plain, regular in zip(*found, strict=True))


class TestOnWan:
    @pytest.mark.parametrize("moreg", [False, True])
    def test_decisions_follow_the_rule_on_the_measured_changes(self, tiny_pipeline, generate, moreg):
        """Recomputed from the attention of block 1 of 4, read from outside; 2 frames of 4 tokens."""
        pipeline, seen = tiny_pipeline(Wan()), []
        method = AdaCache(
            "custom", codebook_thresholds=(0.01, 1e6), codebook_rates=(1, 2), apply_moreg=moreg, moreg_steps=(1, 9)
        )
        handle = pipeline.transformer.blocks[1].attn1.register_forward_hook(lambda _, args, output: seen.append(output))
        sampling = Wan().tiny_sampling()
        try:
            with method.apply(pipeline, Wan()) as applied:
                generate(pipeline, Wan(), sampling)
                decisions = applied.decisions()
        finally:
            handle.remove()
        values = iter(seen)
        rules = {branch: RateRule(method, 6) for branch in ("cond", "uncond")}
        before: dict[str, torch.Tensor] = {}
        for one in decisions:
            rule = rules[one.branch]
            assert one.action == ("compute" if rule.is_full(one.step_index) else "reuse")
            if one.action == "reuse":
                assert one.distance is None
                continue
            rule.enter(one.step_index)
            attention = next(values)
            if one.step_index in (0, 4, 5):
                assert one.distance is None
            else:
                change = float((before[one.branch] - attention).abs().sum() / before[one.branch].abs().sum())
                first, second = attention[:, :4], attention[:, 4:]
                motion = float((first - second).abs().sum() / (first.abs().sum() + second.abs().sum()))
                assert one.distance == pytest.approx(rule.measure(change, motion if moreg else None), rel=1e-4)
            before[one.branch] = attention
        assert next(values, None) is None
        assert [one.action for one in decisions if one.branch == "cond"].count("reuse") == 1

    def test_the_first_video_leaves_nothing_for_the_second(self, tiny_pipeline, generate):
        """Upstream carries the last motion over."""
        pipeline = tiny_pipeline(Wan())
        method = AdaCache(**EVERY_OTHER, apply_moreg=True, moreg_steps=(1, 9))
        with method.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            first = applied.decisions()
            applied.reset()
            generate(pipeline, Wan())
            assert applied.decisions() == first

    def test_holds_one_residual_and_one_attention_for_each_branch(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        with AdaCache(**EVERY_OTHER).apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            assert applied.cache_bytes() == 2 * 2 * 4 * 8 * 24

    def test_follows_a_trace_without_values(self):
        family = Wan()
        pipeline = family.tiny(0)
        pipeline.scheduler.set_timesteps(6)
        transformer = pipeline.transformer.to("meta")
        trace = [
            Decision(step, branch, "compute" if step in (0, 1, 3) else "reuse", 0.5 if step == 1 else None)
            for step in range(6)
            for branch in ("cond", "uncond")
        ]
        with AdaCache(apply_moreg=True).apply(pipeline, family) as applied:
            applied.follow(trace)
            for _ in range(6):
                for call in family.transformer_calls(transformer, family.tiny_sampling()):
                    with torch.no_grad(), transformer.cache_context(call.context_name):
                        transformer(**call.arguments)
            assert applied.decisions() == tuple(trace)
            assert applied.cache_bytes() == 2 * 2 * 4 * 8 * 24

    def test_a_block_that_is_not_there_is_refused(self, tiny_pipeline):
        with pytest.raises(MethodError, match="cache_loc is 13; WanTransformer3DModel has 4 blocks, give 0 to 3"):
            AdaCache(cache_loc=13).apply(tiny_pipeline(Wan()), Wan())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codebook": "fast"}, "codebook is 'fast'; give one of fast_30, .*custom"),
        ({"codebook_rates": (2,)}, "beside codebook 'fast_30'; set it to custom"),
        ({"codebook": "custom"}, "give equally many of both"),
        ({"codebook": "custom", "codebook_thresholds": (0.1, 0.2), "codebook_rates": (2,)}, "equally many"),
        ({"codebook": "custom", "codebook_thresholds": (0.2, 0.1), "codebook_rates": (2, 1)}, "ascending"),
        ({"codebook": "custom", "codebook_thresholds": (0.1,), "codebook_rates": (0,)}, "give at least 1 each"),
        ({"cache_loc": -1}, "cache_loc is -1; give 0"),
        ({"moreg_strides": ()}, r"moreg_strides is \(\); give"),
        ({"moreg_steps": (4,)}, r"moreg_steps is \(4,\); give"),
        ({"moreg_hyp": (0.385, 8)}, "give a positive scale"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaCache(**arguments)
