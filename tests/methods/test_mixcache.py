"""MixCache: the rule on distances worked out by hand, its ablations, and that the hooks follow the rule."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import pairwise

import pytest
import torch

from methods.base import Decision
from methods.families.wan import Wan
from methods.mixcache import INTERVALS, MixCache, Rule, relative_l1

BLOCKS = (10, 20, 30)
QUIET = {"step": 0.02, "cfg": 0.001, "block_10": 0.03, "block_20": 0.015, "block_30": 0.04, "full": 0.07}
"""Distances below theta. With the default impacts P is 0.02, 0.01, 0.03, 0.015, 0.04; full is between the deltas."""


def modes(method, distances=QUIET, num_steps=20, blocks=BLOCKS, warm_up=3):
    """The modes of a video whose steps always measure the same, `full` ones alone what only they measure."""
    rule, chosen = Rule(method, blocks if "block" in method.levels else ()), []
    for step in range(num_steps):
        mode, _ = rule.choose(step, num_steps)
        chosen.append(mode)
        if step == 0:
            measured = {"cfg": distances["cfg"]} if "cfg" in distances else {}
        elif mode == "full":
            measured = dict(distances)
            if step < warm_up:
                measured["step"] = 1.0
        elif mode == "step":
            measured = {}
        else:
            measured = {"step": distances["step"]}
        rule.observe(measured)
    return chosen


class TestRule:
    def test_by_hand(self):
        # Steps 0-3 warm up; step 3 measures D_step < theta. N is 3 (acc, the middle one): two cached steps and a full
        # one. P orders cfg < block_20 < step < block_10 < block_30; the penalty lets the first two alternate.
        expected = ["full"] * 4 + ["cfg", "block_20", "full"] * 5 + ["cfg"]
        assert modes(MixCache()) == expected

    def test_steps_are_full_until_the_output_changes_little(self):
        assert modes(MixCache(theta=0.02)) == ["full"] * 20
        assert modes(MixCache(theta=0.021))[4] == "cfg"
        assert modes(MixCache(theta=0.0)) == ["full"] * 20

    @pytest.mark.parametrize(
        ("interval", "change", "n"),
        [
            ("acc", 0.049, 4),
            ("acc", 0.05, 3),
            ("acc", 0.099, 3),
            ("acc", 0.1, 2),
            ("eff", 0.049, 5),
            ("eff", 0.05, 4),
            ("eff", 0.1, 3),
            (4, 0.049, 4),
            (4, 0.5, 4),
        ],
    )
    def test_the_interval_follows_the_change_between_full_outputs(self, interval, change, n):
        chosen = modes(MixCache(cache_interval=interval), {**QUIET, "full": change}, num_steps=40)
        full = [step for step, mode in enumerate(chosen) if mode == "full"]
        first = INTERVALS[interval][1] if isinstance(interval, str) else interval
        assert full[:5] == [0, 1, 2, 3, 3 + first]
        assert {later - earlier for earlier, later in pairwise(full[4:])} == {n}

    def test_the_first_interval_may_be_given(self):
        assert modes(MixCache(initial_interval=5))[:9] == [*["full"] * 4, "cfg", "block_20", "cfg", "block_20", "full"]

    def test_n_may_count_the_cached_steps(self):
        chosen = modes(MixCache(interval_counts="cached", cache_interval=2), num_steps=10)
        assert chosen == ["full"] * 4 + ["cfg", "block_20", "full"] * 2

    @pytest.mark.parametrize(
        ("penalty", "expected"),
        [
            ("mode", ["block_20", "cfg", "block_20"]),
            ("level", ["block_20", "cfg", "block_20"]),
            ("none", ["block_20", "block_20", "block_20"]),
        ],
    )
    def test_penalty(self, penalty, expected):
        distances = {**QUIET, "cfg": 0.0019, "block_20": 0.01}
        assert modes(MixCache(cache_interval=4, penalty=penalty), distances)[4:7] == expected

    def test_the_penalty_may_be_on_the_level_or_the_very_mode(self):
        distances = {**QUIET, "block_10": 0.001, "block_20": 0.002}
        assert modes(MixCache(cache_interval=4), distances)[4:7] == ["block_10", "block_20", "block_10"]
        by_level = modes(MixCache(cache_interval=4, penalty="level"), distances)[4:7]
        assert by_level == ["block_10", "cfg", "block_10"]

    def test_the_penalty_ends_with_a_full_step(self):
        assert modes(MixCache(cache_interval=2))[4:8] == ["cfg", "full", "cfg", "full"]

    @pytest.mark.parametrize(
        ("levels", "cached"),
        [
            (("step",), ["step"] * 3),
            (("cfg",), ["cfg"] * 3),
            (("block",), ["block_20", "block_10", "block_20"]),
            (("step", "cfg"), ["cfg", "step", "cfg"]),
        ],
    )
    def test_levels(self, levels, cached):
        assert modes(MixCache(cache_interval=4, levels=levels))[4:8] == [*cached, "full"]

    def test_without_guidance_there_is_no_cfg_mode(self):
        distances = {name: value for name, value in QUIET.items() if name != "cfg"}
        assert modes(MixCache(cache_interval=4), distances)[4:7] == ["block_20", "step", "block_20"]
        assert modes(MixCache(levels=("cfg",)), distances) == ["full"] * 20

    def test_impacts_weigh(self):
        method = MixCache(cache_interval=4, impact_step=0.1, impact_cfg=100, impact_blocks=((1,), (2,), (0.01,)))
        # step 0.002, cfg 0.1, blocks 0.03, 0.03, 0.0004
        assert modes(method)[4:7] == ["block_30", "step", "block_30"]

    def test_impacts_of_blocks_may_change_with_the_step(self):
        late = tuple(0.01 if step < 10 else 1.0 for step in range(20))
        method = MixCache(cache_interval=2, impact_blocks=((1.0,) * 20, late, (1.0,) * 20))
        chosen = modes(method)
        assert (chosen[4], chosen[8], chosen[10], chosen[18]) == ("block_20", "block_20", "cfg", "cfg")

    def test_ties_go_to_step_then_cfg_then_the_first_block(self):
        method = MixCache(cache_interval=4, impact_cfg=1.0, penalty="none")
        same = dict.fromkeys(QUIET, 0.01)
        assert modes(method, same)[4] == "step"
        assert modes(dataclasses.replace(method, levels=("cfg", "block")), same)[4] == "cfg"
        assert modes(dataclasses.replace(method, levels=("block",)), same)[4] == "block_10"

    def test_latch_or_every_step(self):
        """The output changes much again in the middle: the latch stays open, Algorithm 1's test closes."""

        def run(trigger):
            rule, chosen = Rule(MixCache(cache_interval=3, trigger=trigger, levels=("step", "cfg")), ()), []
            for change in (None, 0.01, 0.01, 0.5, 0.5, 0.01, 0.01):
                rule.observe({"cfg": 0.0001} if change is None else {"cfg": 0.0001, "step": change, "full": 0.01})
                chosen.append(rule.choose(len(chosen), 7)[0])
            return chosen

        assert run("latch") == ["full", "cfg", "step", "full", "cfg", "step", "full"]
        # The two closed steps count for nothing: the full step of the interval comes when it is open again.
        assert run("every_step") == ["full", "cfg", "step", "full", "full", "full", "cfg"]

    def test_says_what_decided(self):
        rule = Rule(MixCache(levels=("step", "cfg")), ())
        assert rule.choose(0, 9) == ("full", None)
        rule.observe({"cfg": 0.001, "step": 0.3})
        assert rule.choose(1, 9) == ("full", 0.3)
        rule.observe({"step": 0.05})
        assert rule.choose(2, 9) == ("cfg", pytest.approx(0.01))

    def test_efficient_settings_never_run_more_steps_in_full(self):
        for change in (0.01, 0.07, 0.5):
            counts = [
                modes(MixCache(cache_interval=name), {**QUIET, "full": change}, num_steps=50).count("full")
                for name in ("acc", "eff")
            ]
            assert counts[0] > counts[1]


def test_relative_l1_by_hand():
    assert relative_l1(torch.tensor([1.0, -3.0]), torch.tensor([2.0, -2.0])).item() == 2 / 4


def test_candidates_by_depth():
    assert MixCache().blocks(40) == (10, 20, 30)
    assert MixCache(block_ids=None).blocks(40) == (10, 20, 30)
    assert MixCache(block_ids=None).blocks(60) == (15, 30, 45)
    assert MixCache(block_ids=None).blocks(2) == (0, 1)
    assert MixCache(levels=("step", "cfg")).blocks(4) == ()
    with pytest.raises(ValueError, match=r"block_ids is \(10, 20, 30\), but the model has 30 blocks"):
        MixCache().blocks(30)


class TestOnWan:
    @staticmethod
    def run(tiny_pipeline, generate, method):
        """A video's decisions, calls of each block and what the transformer returned for each call."""
        family, pipeline = Wan(), tiny_pipeline(Wan())
        calls, outputs = Counter(), []
        handles = [
            block.norm1.register_forward_hook(lambda *_, name=index: calls.update([name]))
            for index, block in enumerate(pipeline.transformer.blocks)
        ]
        handles.append(pipeline.transformer.register_forward_hook(lambda m, a, output: outputs.append(output[0])))
        try:
            with method.apply(pipeline, family) as applied:
                generate(pipeline, family)
                return applied.decisions(), calls, outputs, applied.cache_bytes()
        finally:
            for handle in handles:
                handle.remove()

    def test_step_mode_repeats_both_branches(self, tiny_pipeline, generate):
        method = MixCache(theta=1e6, levels=("step",), cache_interval=4)
        decisions, calls, outputs, _ = self.run(tiny_pipeline, generate, method)
        assert [one.action for one in decisions] == ["compute"] * 4 + ["reuse"] * 6 + ["compute"] * 2
        assert {one.level for one in decisions} == {None, "step"}
        assert set(calls.values()) == {6}
        for step in (2, 3, 4):
            assert torch.equal(outputs[2 * step], outputs[2])
            assert torch.equal(outputs[2 * step + 1], outputs[3])

    def test_cfg_mode_adds_the_last_full_steps_difference(self, tiny_pipeline, generate):
        method = MixCache(theta=1e6, levels=("cfg",), cache_interval=4)
        decisions, calls, outputs, _ = self.run(tiny_pipeline, generate, method)
        assert [one.action for one in decisions] == ["compute"] * 4 + ["partial", "reuse"] * 3 + ["compute"] * 2
        assert {one.level for one in decisions} == {None, "cfg"}
        assert set(calls.values()) == {9}
        for step in (2, 3, 4):
            difference = outputs[2 * step + 1] - outputs[2 * step]
            torch.testing.assert_close(difference, outputs[3] - outputs[2], rtol=1e-4, atol=1e-6)
            assert not torch.equal(outputs[2 * step], outputs[2])

    def test_block_mode_runs_what_lies_behind_the_block_for_cond_alone(self, tiny_pipeline, generate):
        method = MixCache(theta=1e6, levels=("block",), block_ids=(1,), cache_interval=4)
        decisions, calls, outputs, _ = self.run(tiny_pipeline, generate, method)
        assert [one.action for one in decisions] == ["compute"] * 4 + ["partial", "reuse"] * 3 + ["compute"] * 2
        assert {one.level for one in decisions} == {None, "block_1"}
        assert [calls[block] for block in range(4)] == [6, 6, 9, 9]
        for step in (2, 3, 4):
            difference = outputs[2 * step + 1] - outputs[2 * step]
            torch.testing.assert_close(difference, outputs[3] - outputs[2], rtol=1e-4, atol=1e-6)
            assert not torch.equal(outputs[2 * step], outputs[2])

    def test_decisions_follow_the_rule_on_the_measured_distances(self, tiny_pipeline, generate):
        family, pipeline = Wan(), tiny_pipeline(Wan())
        conds, blocks, unconds = [], [], []
        transformer = pipeline.transformer
        handles = [
            transformer.register_forward_hook(
                lambda m, a, output: (conds if len(conds) == len(unconds) else unconds).append(output[0])
            ),
            transformer.blocks[2].register_forward_hook(lambda m, a, output: blocks.append(output)),
        ]
        try:
            generate(pipeline, family)
        finally:
            for handle in handles:
                handle.remove()
        # Nothing is cached before the second step, so its distances are the original's.
        step = float(relative_l1(conds[1], conds[0]))
        cfg = float(relative_l1(unconds[1], conds[1]))
        block = float(relative_l1(blocks[2], blocks[0]))
        expected = min([(step, "step"), (cfg, "cfg"), (block, "block_2")])
        with MixCache(theta=1e6, block_ids=(2,), impact_cfg=1.0).apply(pipeline, family) as applied:
            generate(pipeline, family)
            second, third = applied.decisions()[2], applied.decisions()[4]
        assert second == Decision(1, "cond", "compute", None)
        assert third.level == expected[1]
        assert third.distance == pytest.approx(expected[0], rel=1e-5)

    def test_holds_an_output_for_each_candidate_and_four_latents(self, tiny_pipeline, generate):
        tokens, width, latent = 8, 24, 4 * 2 * 4 * 4
        for ids in ((1,), (1, 2), (0, 1, 2)):
            method = MixCache(theta=1e6, block_ids=ids, cache_interval=5)
            decisions, _, _, held = self.run(tiny_pipeline, generate, method)
            assert decisions[-1].action != "compute"
            assert held == 4 * (len(ids) * tokens * width + 4 * latent)

    def test_follows_a_trace_without_looking_at_a_value(self, tiny_pipeline, generate, monkeypatch):
        family, pipeline = Wan(), tiny_pipeline(Wan())
        method = MixCache.conformance_active(family.tiny_sampling())
        with method.apply(pipeline, family) as applied:
            expected, trace = generate(pipeline, family), applied.decisions()
        monkeypatch.setattr("methods.mixcache.relative_l1", None)
        with dataclasses.replace(method, theta=0.0).apply(pipeline, family) as applied:
            applied.follow(trace)
            assert torch.equal(generate(pipeline, family), expected)
            assert applied.decisions() == trace

    def test_a_profile_of_other_steps_is_refused(self, tiny_pipeline, generate):
        method = MixCache(block_ids=None, impact_blocks=((1.0,) * 50,))
        with (
            method.apply(tiny_pipeline(Wan()), Wan()),
            pytest.raises(ValueError, match="impact_blocks is of 50 steps, but the video has 6; profile MixCache"),
        ):
            generate(tiny_pipeline(Wan()), Wan())


def test_the_cfg_level_alone_needs_guidance_outside_of_the_model():
    class Embedded(Wan):
        guidance = "embedded"

    assert "no guidance difference" in MixCache(levels=("cfg",)).unsupported(Embedded())
    assert MixCache().unsupported(Embedded()) is None
    assert MixCache(levels=("cfg",)).unsupported(Wan()) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache_interval": "fast"}, "cache_interval is 'fast'; give acc, eff or a number"),
        ({"cache_interval": 0}, "must be at least 1"),
        ({"initial_interval": 0}, "must be at least 1"),
        ({"levels": ()}, r"levels is \(\); give at least one"),
        ({"levels": ("step", "step")}, "each once"),
        ({"levels": ("token",)}, "levels has 'token'; give one of step, cfg, block"),
        ({"penalty": "yes"}, "penalty has 'yes'; give one of mode, level, none"),
        ({"trigger": "once"}, "trigger has 'once'"),
        ({"interval_counts": "all"}, "interval_counts has 'all'"),
        ({"theta": -1.0}, "theta is -1.0"),
        ({"delta1": 0.2}, "give theta >= 0 and delta1 <= delta2"),
        ({"block_ids": ()}, r"block_ids is \(\); give different indices"),
        ({"block_ids": (3, 3)}, "give different indices"),
        ({"block_ids": (-1,)}, "give different indices from 0"),
        ({"impact_blocks": ((1.0,), (1.0,))}, "impact_blocks has 2 entries"),
        ({"impact_blocks": ((),)}, "impact_blocks has 1 entries"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        MixCache(**arguments)
