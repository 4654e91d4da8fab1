"""TeaCache: the rule by itself, the published numbers, and that the hooks follow the rule."""

from __future__ import annotations

import hashlib
import json
import random
from itertools import pairwise

import numpy as np
import pytest
import torch

from methods.families.wan import Wan
from methods.teacache import CALIBRATIONS, Accumulator, TeaCache, evaluate

PUBLISHED = "55dffe16f5762a092b1cf97b6e22e68aa61106ce15c5840bfb7e766c19d7eaf2"
"""SHA-256 of the sixteen published polynomials, as in the upstream files that methods/teacache.py names."""


def random_runs(count: int = 200):
    """Polynomials (also negative ones), thresholds and relative changes."""
    source = random.Random(0)
    for _ in range(count):
        coefficients = [source.gauss(0, 2) for _ in range(source.randint(1, 5))]
        changes = [abs(source.gauss(0, 0.3)) for _ in range(source.randint(1, 60))]
        yield coefficients, source.choice([0.01, 0.1, 0.5, 2.0]), changes


class TestRule:
    def test_accumulates_and_starts_anew(self):
        rule = Accumulator(0.25, (1.0, 0.0))
        skipped = [rule.advance(0.1)[0] for _ in range(7)]
        # 0.1, 0.2 are below, 0.3 is not: two of three are skipped.
        assert skipped == [True, True, False, True, True, False, True]

    def test_reports_the_sum_it_compared(self):
        rule = Accumulator(0.5, (2.0, 0.0))
        assert rule.advance(0.125) == (True, 0.25)
        assert rule.advance(0.125) == (False, 0.5)
        assert rule.advance(0.0625) == (True, 0.125)

    def test_reaching_the_threshold_computes(self):
        assert Accumulator(0.5, (1.0, 0.0)).advance(0.5) == (False, 0.5)

    def test_a_forced_step_starts_anew(self):
        rule = Accumulator(0.25, (1.0, 0.0))
        rule.advance(0.2)
        rule.force()
        assert rule.advance(0.2)[0]

    def test_matches_a_plain_simulation(self):
        for coefficients, threshold, changes in random_runs():
            rule, total = Accumulator(threshold, coefficients), 0.0
            for change in changes:
                total += float(np.polyval(coefficients, change))
                skipped, compared = rule.advance(change)
                assert compared == pytest.approx(total)
                assert skipped == (total < threshold)
                total = total if skipped else 0.0

    def test_zero_never_skips_even_where_the_polynomial_is_negative(self):
        for coefficients, _, changes in random_runs():
            rule = Accumulator(0.0, coefficients)
            assert not any(rule.advance(change)[0] for change in changes)

    def test_a_higher_threshold_never_computes_more(self):
        for _, _, changes in random_runs():
            computed = []
            for threshold in (0.05, 0.2, 0.8, 3.2):
                rule = Accumulator(threshold, (1.0, 0.0))
                computed.append(sum(not rule.advance(change)[0] for change in changes))
            assert computed == sorted(computed, reverse=True)

    def test_polynomials_are_evaluated_highest_power_first(self):
        for coefficients, _, changes in random_runs(50):
            assert evaluate(coefficients, changes[0]) == pytest.approx(float(np.polyval(coefficients, changes[0])))


class TestForcedSteps:
    def test_first_and_last(self):
        method = TeaCache(0.1)
        assert [step for step in range(50) if method.is_forced(step, 50)] == [0, 49]

    def test_ret_steps(self):
        method = TeaCache(0.1, use_ret_steps=True)
        assert [step for step in range(50) if method.is_forced(step, 50)] == [0, 1, 2, 3, 4]


class TestCalibrations:
    def test_the_published_numbers_have_not_changed(self):
        text = json.dumps({name: one.coefficients for name, one in CALIBRATIONS.items()}, sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED

    @pytest.mark.parametrize(
        ("name", "x", "value"),
        [
            # Sums written out from the upstream table at x = 0.1 or 1.
            ("hunyuan_video", 1.0, 733.226126 - 401.131952 + 67.5869174 - 3.149788 + 0.0961237896),
            ("wan_t2v_1.3b", 0.1, 0.239676752 - 1.31110545 + 2.01331979 - 0.829855975 + 0.137887774),
            ("wan_t2v_14b", 0.1, -0.578454975374 + 5.44950911966 - 18.1116591783 + 25.627178429 - 13.02252404),
            ("wan_t2v_1.3b_ret", 0.1, -5.21862437 + 9.23041404 - 5.28275948 + 1.36987616 - 0.0499875664),
        ],
    )
    def test_by_hand(self, name, x, value):
        assert evaluate(CALIBRATIONS[name].coefficients, x) == pytest.approx(value)

    def test_without_one_the_change_itself_counts(self):
        assert evaluate(TeaCache(0.1).polynomial(), 0.375) == 0.375

    def test_own_coefficients_are_used(self):
        assert TeaCache(0.1, coefficients=[3.0, 1.0]).polynomial() == (3.0, 1.0)

    @pytest.mark.parametrize("name", sorted(CALIBRATIONS))
    def test_each_runs_on_the_family_it_was_fitted_for_only(self, name):
        calibration = CALIBRATIONS[name]
        method = TeaCache(0.1, calibration=name, use_ret_steps=calibration.signal == "timestep_proj")
        reason = method.unsupported(Wan())
        if calibration.family == "wan":
            assert reason is None
            assert method.signal(Wan()) in Wan.signals
        else:
            assert reason == f"calibration {name!r} was fitted for {calibration.family}, not for wan"

    def test_a_family_without_the_signal_is_unsupported(self):
        class NoProjection(Wan):
            signals = ("temb",)

        assert "no signal 'timestep_proj'" in TeaCache(0.1, use_ret_steps=True).unsupported(NoProjection())


class TestOnWan:
    @staticmethod
    def signals(pipeline, generate, kind):
        """What TeaCache's signal is at each step, read without TeaCache."""
        seen = []
        embedder = pipeline.transformer.condition_embedder
        handle = (embedder.time_embedder if kind == "temb" else embedder.time_proj).register_forward_hook(
            lambda module, args, output: seen.append(output.clone())
        )
        try:
            generate(pipeline, Wan())
        finally:
            handle.remove()
        return seen[::2]

    @pytest.mark.parametrize(("kind", "ret"), [("temb", False), ("timestep_proj", True)])
    def test_decisions_follow_the_rule_on_the_measured_changes(self, tiny_pipeline, generate, kind, ret):
        pipeline = tiny_pipeline(Wan())
        signals = self.signals(pipeline, generate, kind)
        changes = [float((after - before).abs().mean() / before.abs().mean()) for before, after in pairwise(signals)]
        method = TeaCache(1.5 * max(changes), use_ret_steps=ret)
        rule = Accumulator(method.rel_l1_thresh, (1.0, 0.0))
        expected = []
        for step in range(6):
            if method.is_forced(step, 6):
                rule.force()
                expected.append(("compute", None))
            else:
                skipped, compared = rule.advance(changes[step - 1])
                expected.append(("reuse" if skipped else "compute", pytest.approx(compared)))
        with method.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            decisions = applied.decisions()
        # Wan's time embedding holds no text, so both branches must decide alike, each from its own state.
        for branch in ("cond", "uncond"):
            assert [(one.action, one.distance) for one in decisions if one.branch == branch] == expected
        assert "reuse" in {action for action, _ in expected}

    def test_a_skipped_step_adds_the_branchs_last_residual(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        blocks, inputs, outputs = pipeline.transformer.blocks, [], []
        handles = [
            blocks[0].register_forward_pre_hook(lambda module, args: inputs.append(args[0])),
            blocks[-1].register_forward_hook(lambda module, args, output: outputs.append(output)),
        ]
        try:
            with TeaCache(1e6).apply(pipeline, Wan()):
                generate(pipeline, Wan())
        finally:
            for handle in handles:
                handle.remove()
        added = [output - before for before, output in zip(inputs, outputs, strict=True)]
        for branch in (0, 1):
            for step in range(1, 5):
                torch.testing.assert_close(added[2 * step + branch], added[branch], rtol=1e-4, atol=1e-5)
            assert not torch.allclose(added[2 * 5 + branch], added[branch], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(added[0], added[1])

    def test_holds_one_residual_and_one_signal_for_each_branch(self, tiny_pipeline, generate):
        pipeline = tiny_pipeline(Wan())
        with TeaCache(1e6).apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            tokens, width = 8, 24
            assert applied.cache_bytes() == 2 * 4 * (tokens * width + width)

    def test_state_lives_in_the_application(self, tiny_pipeline, generate):
        """Two pipelines under the same method do not see each other."""
        method, family = TeaCache(1e6), Wan()
        one, other = tiny_pipeline(family), family.tiny(7)
        with method.apply(one, family):
            alone = generate(one, family)
        with method.apply(one, family), method.apply(other, family):
            generate(other, family, seed=4)
            assert torch.equal(generate(one, family), alone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rel_l1_thresh": -0.1}, "rel_l1_thresh is -0.1; give 0"),
        ({"rel_l1_thresh": 0.1, "calibration": "wan"}, "calibration is 'wan'; give one of .*wan_t2v_1.3b"),
        ({"rel_l1_thresh": 0.1, "calibration": "latte", "coefficients": (1.0,)}, "leave one of them out"),
        ({"rel_l1_thresh": 0.1, "coefficients": ()}, "coefficients is empty"),
        ({"rel_l1_thresh": 0.1, "calibration": "wan_t2v_14b", "use_ret_steps": True}, "use_ret_steps=False"),
        ({"rel_l1_thresh": 0.1, "calibration": "wan_t2v_14b_ret"}, "use_ret_steps=True"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        TeaCache(**arguments)
