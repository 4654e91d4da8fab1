"""FasterCache: published schedules, the arithmetic of frequencies, and agreement with diffusers."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from diffusers import FasterCacheConfig

from methods.families.cogvideox import CogVideoX
from methods.families.latte import Latte
from methods.families.wan import Wan
from methods.fastercache import PRESETS, FasterCache, amplified, from_spectrum, low_pass, schedule, spectrum


def steps_of(preset, num_steps=50, guided=True, timesteps=None):
    constants = FasterCache(preset=preset).constants()
    timesteps = timesteps or [1000 - 1000 * index / num_steps for index in range(num_steps)]
    return dict(enumerate(schedule(constants, timesteps, guided), start=1))


class TestSchedules:
    """Steps are counted from 1, as upstream does."""

    @pytest.mark.parametrize(
        ("preset", "num_steps", "first", "interval"),
        [("cogvideox", 50, 18, 5), ("latte", 50, 18, 5), ("open_sora", 30, 12, 5), ("open_sora_plan", 150, 40, 6)],
    )
    def test_steps_without_the_unconditional_branch(self, preset, num_steps, first, interval):
        steps = steps_of(preset, num_steps)
        skipped = [number for number, step in steps.items() if step.skips_uncond]
        assert skipped == [number for number in range(first, num_steps + 1) if number % interval]

    def test_cogvideox_extrapolates_attention_in_two_of_three_steps_without_the_other_branch(self):
        extrapolated = [number for number, step in steps_of("cogvideox").items() if step.extrapolates]
        # Of 18..50, not the multiples of 3, nor those of 5, in which both branches run.
        assert extrapolated == [number for number in range(18, 51) if number % 3 and number % 5]

    def test_latte_extrapolates_attention_in_even_steps(self):
        extrapolated = [number for number, step in steps_of("latte").items() if step.extrapolates]
        # In 16 the last outputs hold both branches; in 20, 30, 40, 50, which run both, they do not.
        assert extrapolated == [16, *(number for number in range(18, 51, 2) if number % 10)]

    def test_open_sora_extrapolates_before_a_branch_is_skipped(self):
        extrapolated = [number for number, step in steps_of("open_sora", 30).items() if step.extrapolates]
        assert extrapolated == [8, 10, 12, 14, 16, 18, 22, 24, 26, 28]

    def test_open_sora_plan(self):
        extrapolated = [number for number, step in steps_of("open_sora_plan", 150).items() if step.extrapolates]
        assert extrapolated == [number for number in range(46, 151) if number % 3]

    def test_without_guidance_the_pattern_always_holds(self):
        steps = steps_of("cogvideox", guided=False)
        assert not any(step.skips_uncond for step in steps.values())
        assert [n for n, step in steps.items() if step.extrapolates] == [n for n in range(18, 51) if n % 3]

    @pytest.mark.parametrize(
        ("preset", "num_steps", "last_low", "alpha_low", "first_high", "alpha_high"),
        [
            ("cogvideox", 50, 40, 1.1, 30, 1.1),
            ("latte", 50, 44, 1.1, 45, 1.1),
            ("open_sora", 30, 25, 1.15, 20, 1.15),
            ("open_sora_plan", 150, 130, 1.1, 131, 1.2),
        ],
    )
    def test_factors(self, preset, num_steps, last_low, alpha_low, first_high, alpha_high):
        for number, step in steps_of(preset, num_steps).items():
            assert step.factor_low == (alpha_low if number <= last_low else 1.0)
            assert step.factor_high == (alpha_high if number >= first_high else 1.0)

    def test_weights(self):
        assert {step.weight for step in steps_of("cogvideox").values()} == {0.3}
        assert {step.weight for step in steps_of("latte").values()} == {0.5}
        for number, step in steps_of("open_sora", 30).items():
            assert step.weight == pytest.approx(0.9 * (number - 7) / 20)

    def test_diffusers_reads_windows_on_timesteps_and_counts_from_0(self):
        timesteps = [900.0, 700.0, 660.0, 640.0, 500.0, 300.0, 99.0, 50.0]
        steps = list(steps_of("diffusers", timesteps=timesteps).values())
        assert [step.skips_uncond for step in steps] == [False, False, False, True, True, False, True, True]
        # Below 681 in odd steps, but only without the unconditional branch.
        assert [step.extrapolates for step in steps] == [False, False, False, True, False, False, False, True]
        assert [step.factor_low for step in steps] == [1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.0, 1.0]
        assert [step.factor_high for step in steps] == [1.0, 1.0, 1.0, 1.0, 1.0, 1.1, 1.1, 1.1]

    @pytest.mark.parametrize("preset", PRESETS)
    def test_every_video_begins_with_a_full_step(self, preset):
        for timesteps in ([500.0], [600.0, 500.0, 5.0]):
            for guided in (True, False):
                first = steps_of(preset, guided=guided, timesteps=timesteps)[1]
                assert not first.skips_uncond
                assert not first.extrapolates


class TestFrequencies:
    @pytest.mark.parametrize(("height", "width"), [(4, 4), (10, 10), (15, 22), (60, 104)])
    def test_low_frequencies_lie_within_a_circle(self, height, width):
        low, radius = low_pass(height, width), min(height, width) // 5
        for y, row in enumerate(low.tolist()):
            for x, inside in enumerate(row):
                from_y = y if y < (height + 1) // 2 else y - height
                from_x = x if x < (width + 1) // 2 else x - width
                assert inside == (from_y**2 + from_x**2 <= radius**2)

    def test_a_sample_survives_its_spectrum(self):
        sample = torch.randn(1, 4, 3, 10, 15)
        torch.testing.assert_close(from_spectrum(spectrum(sample, "BCFHW"), "BCFHW", sample.dtype), sample)

    def test_the_mean_is_low_and_a_checkerboard_high(self):
        flat, board = torch.ones(1, 10, 10), torch.ones(1, 10, 10)
        board[..., (torch.arange(10)[:, None] + torch.arange(10)) % 2 == 1] = -1
        changed = from_spectrum(amplified(spectrum(flat + board, "BHW"), "BHW", 3.0, 5.0), "BHW", flat.dtype)
        torch.testing.assert_close(changed, 3 * flat + 5 * board)

    def test_frames_and_channels_do_not_mix(self):
        sample = torch.zeros(1, 2, 3, 10, 10)
        sample[0, 1, 2] = torch.randn(10, 10)
        changed = from_spectrum(amplified(spectrum(sample, "BCFHW"), "BCFHW", 2.0, 0.0), "BCFHW", sample.dtype)
        assert changed[0, 1, 2].abs().sum() > 0
        changed[0, 1, 2] = 0
        assert not changed.any()

    def test_a_layout_that_does_not_end_in_height_and_width_is_refused(self):
        with pytest.raises(ValueError, match="latent layout is BHWC"):
            spectrum(torch.zeros(1, 2, 2, 1), "BHWC")


class TestOnWan:
    def run(self, tiny_pipeline, generate, **arguments):
        family, pipeline, outputs = Wan(), tiny_pipeline(Wan()), []
        handle = pipeline.transformer.register_forward_hook(lambda m, a, output: outputs.append(output[0]))
        try:
            with FasterCache(**arguments).apply(pipeline, family) as applied:
                generate(pipeline, family)
                return applied.decisions(), outputs
        finally:
            handle.remove()

    def test_the_unconditional_output_follows_the_conditional_and_factors_compound(self, tiny_pipeline, generate):
        """In a 4 x 4 latent only the mean is low: its difference grows, the rest stays."""
        decisions, outputs = self.run(
            tiny_pipeline, generate, uncond_window=(2, 5), attention_interval=1, alpha_low=2.0, alpha_high=1.0
        )
        actions = [decision.action for decision in decisions]
        assert actions == ["compute"] * 5 + ["predict"] + ["compute"] + ["predict"] + ["compute"] * 4
        differences = [uncond - cond for cond, uncond in zip(outputs[::2], outputs[1::2], strict=True)]
        mean = differences[1].mean(dim=(-2, -1), keepdim=True)
        for step, factor in ((2, 2.0), (3, 4.0)):
            expected = differences[1] + (factor - 1) * mean
            torch.testing.assert_close(differences[step], expected, rtol=1e-4, atol=1e-6)

    def test_each_branch_has_its_own_attention(self, tiny_pipeline, generate):
        """Both are extrapolated where none is skipped. The first block's is alike in both: it has not seen the text."""
        family, pipeline = Wan(), tiny_pipeline(Wan())
        attention = pipeline.transformer.blocks[1].attn1
        computed, returned = [], []
        handle = attention.to_out[0].register_forward_hook(lambda m, a, output: computed.append(output))
        outer = attention.register_forward_hook(lambda m, a, output: returned.append(output))
        method = FasterCache(
            uncond_interval=1, attention_window=(2, math.inf), attention_interval=3, attention_weight=0.25
        )
        try:
            with method.apply(pipeline, family):
                generate(pipeline, family)
        finally:
            handle.remove()
            outer.remove()
        # Of steps 1..6, 4 and 5 are extrapolated.
        assert (len(computed), len(returned)) == (8, 12)
        for branch in (0, 1):
            expected = returned[4 + branch] + 0.25 * (returned[4 + branch] - returned[2 + branch])
            for step in (4, 5):
                torch.testing.assert_close(returned[2 * (step - 1) + branch], expected)
        assert not torch.allclose(returned[6], returned[7])

    @pytest.mark.parametrize(("uncond_interval", "branches"), [(5, 1), (1, 2)])
    def test_the_unconditional_attention_is_held_only_if_it_is_needed(
        self, tiny_pipeline, generate, uncond_interval, branches
    ):
        window = (0, math.inf)
        method = FasterCache(
            uncond_window=window, uncond_interval=uncond_interval, attention_window=window, attention_interval=3
        )
        with method.apply(tiny_pipeline(Wan()), Wan()) as applied:
            generate(tiny_pipeline(Wan()), Wan())
            held = applied.cache_bytes()
        tokens, width, blocks, latent = 8, 24, 4, 4 * 2 * 4 * 4
        # The last two outputs of each block's attention, a float32 output and a complex64 difference.
        assert held == branches * 2 * 4 * blocks * tokens * width + (4 + 8) * latent

    def test_without_guidance_only_attention_is_extrapolated(self, tiny_pipeline, generate):
        family, pipeline = Wan(), tiny_pipeline(Wan())
        sampling = dataclasses.replace(family.tiny_sampling(), guidance_scale=1.0)
        method = FasterCache.conformance_active(sampling)
        with method.apply(pipeline, family) as applied:
            generate(pipeline, family, sampling)
            decisions = applied.decisions()
        # Steps 1 and 4 compute.
        assert [decision.action for decision in decisions] == ["compute", "partial", "partial"] * 2
        assert {decision.level for decision in decisions} == {None, "attention"}


class TestAgainstDiffusers:
    """On CogVideoX and Latte diffusers' FasterCache is right; the preset `diffusers` makes the very same video."""

    @pytest.mark.parametrize(("family", "temporal"), [(CogVideoX(), None), (Latte(), 2)], ids=["cogvideox", "latte"])
    @pytest.mark.parametrize("window", [(-1, 641), (-1, 901)])
    def test_equal_bit_for_bit(self, tiny_pipeline, generate, family, temporal, window):
        pipeline = tiny_pipeline(family)
        config = FasterCacheConfig(
            temporal_attention_block_skip_range=temporal,
            spatial_attention_timestep_skip_range=window,
            temporal_attention_timestep_skip_range=window,
            unconditional_batch_timestep_skip_range=window,
            tensor_format=family.latent_layout,
            current_timestep_callback=lambda: pipeline.current_timestep,
        )
        pipeline.transformer.enable_cache(config)
        try:
            expected = generate(pipeline, family)
        finally:
            pipeline.transformer.disable_cache()
        method = FasterCache(preset="diffusers", uncond_window=window, attention_window=window)
        with method.apply(pipeline, family) as applied:
            video = generate(pipeline, family)
            levels = {decision.level for decision in applied.decisions()}
        assert {"cfg", "attention+cfg"} <= levels
        assert not torch.equal(expected, generate(pipeline, family))
        assert torch.equal(video, expected)


def test_constants_beside_a_preset_replace_its_own():
    assert FasterCache(preset="latte").constants() == PRESETS["latte"]
    changed = FasterCache(preset="latte", attention_weight=0.0, uncond_window=[3, 9]).constants()
    assert changed.attention_weight == 0.0
    assert changed.uncond_window == (3, 9)
    assert changed.attention_interval == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "wan"}, "preset is 'wan'; give one of cogvideox, latte"),
        ({"uncond_interval": 0}, "uncond_interval is 0; give at least 1"),
        ({"attention_interval": -2}, "attention_interval is -2; give at least 1"),
        ({"alpha_low_window": (5, 5)}, r"alpha_low_window is \(5, 5\); give two bounds"),
        ({"clock": "sigma"}, "clock is 'sigma'; give one of step, timestep"),
        ({"attention_remember": "none"}, "attention_remember is 'none'"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        FasterCache(**arguments)
