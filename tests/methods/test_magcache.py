"""MagCache: the published schedules, whose ratios count, and that diffusers' agrees where the rule is the same."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
import torch
from diffusers import MagCacheConfig

from methods.families.wan import Wan
from methods.magcache import CALIBRATIONS, MagCache, Step, nearest, plan_steps

PUBLISHED = "5c379e850fd285d59add1a47c92797cf25908ebd8815995272efefc603181d22"
"""SHA-256 of the published ratios, as in the upstream files that methods/magcache_ratios.json names."""


def full_steps(steps: tuple[Step, ...]) -> list[int]:
    return [index for index, step in enumerate(steps) if not step.skipped]


class TestPublishedSchedules:
    def test_hunyuan_video_fast(self):
        steps = MagCache(0.24, 6, calibration="hunyuan_video_544p").schedule("cond", 50)
        assert full_steps(steps) == [*range(10), 14, 18, 23, 29, 34, 41, 46, 48]

    def test_hunyuan_video_slow(self):
        steps = MagCache(0.12, 4, calibration="hunyuan_video_544p").schedule("cond", 50)
        assert len(full_steps(steps)) == 22

    @pytest.mark.parametrize(("most", "count"), [(2, 25), (4, 21)])
    def test_wan_small(self, most, count):
        method = MagCache(0.12, most, calibration="wan_t2v_1.3b")
        assert len(full_steps(method.schedule("cond", 50))) == count

    def test_wan_large(self):
        steps = MagCache(0.24, 6, calibration="wan_t2v_14b").schedule("cond", 50)
        assert full_steps(steps) == [*range(10), 16, 23, 30, 36, 41, 44, 47, 49]

    def test_the_published_numbers_have_not_changed(self):
        text = json.dumps({name: (one.cond, one.uncond) for name, one in CALIBRATIONS.items()}, sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED

    @pytest.mark.parametrize("name", sorted(CALIBRATIONS))
    def test_each_has_a_ratio_a_step_beginning_with_one(self, name):
        one = CALIBRATIONS[name]
        assert len(one.cond) == len(one.uncond) == (40 if "i2v" in name else 50)
        assert one.cond[0] == one.uncond[0] == 1.0
        assert all(0.5 < ratio < 1.5 for ratio in one.cond + one.uncond)

    def test_branches_of_wan_have_lists_of_their_own(self):
        one = CALIBRATIONS["wan_t2v_1.3b"]
        assert (one.cond[1], one.uncond[1]) == (1.0124, 1.02213)


class TestRule:
    def test_errors_add_up_and_magnitudes_multiply(self):
        steps = plan_steps([1.0, 0.9, 0.9, 0.9, 0.9], 0.3, 9, 0.0, strict=False)
        # Behind 0.9: |1 - 0.9| = 0.1, then |1 - 0.81| more is 0.29, then |1 - 0.729| more is 0.561 and too much.
        assert full_steps(steps) == [0, 3]
        assert [step.error for step in steps] == pytest.approx([None, 0.1, 0.29, 0.561, 0.1])

    def test_ratios_above_one_count_alike(self):
        assert full_steps(plan_steps([1.0, 1.2, 1.2], 0.3, 9, 0.0, strict=False)) == [0, 2]

    def test_never_more_in_a_row_than_k(self):
        for most in range(5):
            steps = plan_steps([1.0] * 21, 0.5, most, 0.0, strict=False)
            assert full_steps(steps) == list(range(0, 21, most + 1))

    def test_an_error_equal_to_the_threshold(self):
        ratios = [1.0, 0.75, 0.75]
        assert full_steps(plan_steps(ratios, 0.25, 9, 0.0, strict=False)) == [0, 2]
        assert full_steps(plan_steps(ratios, 0.25, 9, 0.0, strict=True)) == [0, 1, 2]

    @pytest.mark.parametrize(("ratio", "count"), [(0.0, 1), (0.25, 2), (0.29, 2), (1.0, 8)])
    def test_retained_steps_are_rounded_down_and_the_first_is_always_one(self, ratio, count):
        steps = plan_steps([1.0] * 8, 0.5, 99, ratio, strict=False)
        assert full_steps(steps) == list(range(count))

    def test_a_higher_threshold_never_computes_more(self):
        for one in CALIBRATIONS.values():
            counts = [
                len(full_steps(plan_steps(one.cond, threshold, 6, 0.2, strict=False)))
                for threshold in (0.0, 0.03, 0.06, 0.12, 0.24, 0.48)
            ]
            assert counts == sorted(counts, reverse=True)


class TestOtherStepCounts:
    def test_the_same_count_is_read_as_it_is(self):
        assert nearest([1.0, 0.9, 0.8], 3) == (1.0, 0.9, 0.8)

    def test_fewer_and_more(self):
        ratios = [float(value) for value in range(9)]
        assert nearest(ratios, 5) == (0, 2, 4, 6, 8)
        assert nearest(ratios, 3) == (0, 4, 8)
        assert nearest([0.0, 1.0, 2.0], 7) == (0, 0, 1, 1, 1, 2, 2)
        assert nearest(ratios, 1) == (8,)

    def test_each_branch_from_its_own_list(self):
        method = MagCache(0.1, 1, mag_ratios=(1.0, 0.99), mag_ratios_uncond=(1.0, 0.5))
        assert full_steps(method.schedule("cond", 4)) == [0, 2]
        assert full_steps(method.schedule("uncond", 4)) == [0, 2, 3]

    def test_own_ratios_count_for_both_branches_where_only_one_list_is_given(self):
        method = MagCache(0.1, 1, mag_ratios=(1.0, 0.9, 0.9))
        assert method.schedule("cond", 7) == method.schedule("uncond", 7) == method.schedule("both", 7)


class TestUnsupported:
    def test_other_families_are_told_to_calibrate(self):
        reason = MagCache(0.12, 4, calibration="hunyuan_video_544p").unsupported(Wan())
        assert "was measured on hunyuan_video, not on wan; run `harness calibrate magcache` on wan" in reason

    def test_so_is_whoever_gives_no_ratios(self):
        assert "run `harness calibrate magcache` on wan" in MagCache(0.12, 4).unsupported(Wan())

    def test_the_right_calibration_or_own_ratios_will_do(self):
        assert MagCache(0.12, 4, calibration="wan_t2v_1.3b").unsupported(Wan()) is None
        assert MagCache(0.12, 4, mag_ratios=[1.0]).unsupported(Wan()) is None


class TestOnWan:
    METHOD = MagCache(0.1, 2, mag_ratios=(1.0, 0.95, 1.03, 0.9, 0.97, 0.98), mag_ratios_uncond=(1.0,) * 6)

    def test_both_branches_follow_their_schedules(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        with self.METHOD.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            decisions = applied.decisions()
        for branch in ("cond", "uncond"):
            expected = [("reuse" if step.skipped else "compute") for step in self.METHOD.schedule(branch, 6)]
            assert [one.action for one in decisions if one.branch == branch] == expected
            assert {"reuse", "compute"} == set(expected)

    def test_another_step_count_makes_another_schedule(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        with self.METHOD.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            applied.reset()
            generate(pipeline, Wan(), dataclasses.replace(Wan().tiny_sampling(), num_inference_steps=9))
            cond = [one.action for one in applied.decisions() if one.branch == "cond"]
        assert cond == [("reuse" if step.skipped else "compute") for step in self.METHOD.schedule("cond", 9)]

    def test_holds_one_residual_for_each_branch(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        with self.METHOD.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            assert applied.cache_bytes() == 2 * 4 * 8 * 24

    @pytest.mark.parametrize(("threshold", "most"), [(0.06, 1), (0.1, 2), (1.0, 3)])
    def test_diffusers_makes_the_same_video_where_the_rules_agree(self, tiny_pipeline, generate, threshold, most):
        """One list for both branches, and a retention that both round alike: 1.5 steps would be 1 here and 2 there."""
        pipeline, ratios = tiny_pipeline(Wan()), (1.0, 0.95, 1.03, 0.9, 0.97, 0.98)
        config = MagCacheConfig(
            threshold=threshold, max_skip_steps=most, retention_ratio=0.2, num_inference_steps=6, mag_ratios=[*ratios]
        )
        pipeline.transformer.enable_cache(config)
        try:
            expected = generate(pipeline, Wan())
        finally:
            pipeline.transformer.disable_cache()
        with MagCache(threshold, most, 0.2, mag_ratios=ratios).apply(pipeline, Wan()) as applied:
            assert torch.equal(generate(pipeline, Wan()), expected)
            assert "reuse" in {one.action for one in applied.decisions()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"magcache_thresh": -0.1}, "magcache_thresh is -0.1; give 0"),
        ({"magcache_K": -1}, "magcache_K is -1; give 0"),
        ({"retention_ratio": 1.5}, "retention_ratio is 1.5; give a share"),
        ({"calibration": "wan"}, "calibration is 'wan'; give one of .*wan_t2v_14b"),
        ({"calibration": "wan_t2v_14b", "mag_ratios": [1.0]}, "leave one of them out"),
        ({"mag_ratios": []}, r"mag_ratios is \(\); give one positive"),
        ({"mag_ratios": [1.0, 0.0]}, "give one positive"),
        ({"mag_ratios_uncond": [1.0]}, "without mag_ratios"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        MagCache(**({"magcache_thresh": 0.1, "magcache_K": 2} | arguments))
