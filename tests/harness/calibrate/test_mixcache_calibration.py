"""MixCache's profile."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.calibrate.base import Subject
from harness.calibrate.calibration import CalibrationError
from harness.calibrate.mixcache import MixCacheCalibration, first_stable, fit_noise, thresholds
from harness.calibrate.perturbation.noise import Noise
from harness.calibrate.perturbation.recorders import ImpactRecorder
from harness.discovery import load_family
from methods.mixcache import MixCache

OPTIONS = MixCacheCalibration(stable_window=2, stable_tolerance=10.0)


def test_a_distance_is_stable_once_it_is_near_each_of_the_last():
    falling = [2.0, 1.0, 0.5, 0.21, 0.2, 0.2, 0.19, 0.2, 0.21]
    assert first_stable(falling, tolerance=0.2, window=5) == 8
    assert first_stable(falling, tolerance=0.2, window=2) == 5
    assert first_stable([1.0, 2.0, 4.0, 8.0], tolerance=0.2, window=2) is None


def test_theta_is_the_mean_from_there_on_and_the_deltas_its_deviations():
    one = [None, 1.0, 0.1, 0.1, 0.1, 0.2, 0.05]
    theta = (0.1 + 0.2 + 0.05) / 3
    assert thresholds([one], 0.2, 2) == pytest.approx((theta, theta - 0.05, 0.2 - theta))


def test_thresholds_are_means_over_the_prompts_that_become_stable():
    flat, higher, never = [None, 0.1, 0.1, 0.1], [None, 0.3, 0.3, 0.3], [None, 1.0, 3.0, 9.0]
    assert thresholds([flat, higher, never], 0.2, 2) == pytest.approx((0.2, 0.0, 0.0))
    with pytest.raises(CalibrationError, match=r"no prompt; raise --set stable_tolerance"):
        thresholds([never], 0.2, 2)


def test_noise_has_the_mean_of_all_steps_and_the_deviation_of_the_last(subject):
    curves = subject().curves()
    for prompt in range(2):
        for step, (mean, deviation) in enumerate([(1.0, 9.0), (2.0, 3.0), (3.0, 5.0)]):
            curves.add("error_mean.step", "guided", prompt, step, mean)
            curves.add("error_std.step", "guided", prompt, step, deviation)
    assert fit_noise(curves, "step", stable=1) == Noise(2.0, 4.0)


def test_noise_is_drawn_from_its_own_generator():
    before = torch.get_rng_state()
    drawn = Noise(3.0, 0.5).like(torch.zeros(20_000), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)


def test_distances_are_those_the_method_measures(subject):
    one = subject(("a red circle",))
    found = OPTIONS.calibrate(one)
    measured = {curve.name: curve.values[0] for curve in found.curves}
    method = MixCache(theta=0.0, **{key: value for key, value in found.fields.items() if key != "theta"})
    arguments = one.family.call_arguments("a red circle", one.sampling)
    with method.apply(one.pipeline, one.family) as applied, one.family.scheduled(one.pipeline, one.sampling):
        one.pipeline(**arguments, generator=torch.Generator().manual_seed(one.seeds[0]), output_type="latent")
        # At a full step the method says the D_step of the step before, which is what it decides by.
        decided = [item.distance for item in applied.decisions() if item.branch == "cond"]
    assert list(measured["distance.step"][1:-1]) == pytest.approx(decided[2:], rel=1e-4)


def test_the_profile_is_a_methods(subject):
    found = OPTIONS.calibrate(subject())
    method = MixCache(**found.fields)
    assert method.block_ids == (1, 2, 3) == method.blocks(4)
    assert [len(values) for values in method.impact_blocks] == [6, 6, 6]
    assert method.delta1 <= method.delta2
    levels = ("step", "cfg", "block_1", "block_2", "block_3")
    assert {curve.name for curve in found.curves} == {
        f"{quantity}.{level}" for quantity in ("distance", "error_mean", "error_std", "impact") for level in levels
    }


def test_no_noise_has_no_impact_and_more_noise_more(subject):
    one = subject(("a red circle",))
    levels = ("step", "cfg", "block_1")
    sums = []
    for deviation in (0.0, 0.1, 1.0):
        curves = one.curves()
        noise = dict.fromkeys(levels, Noise(0.0, deviation))
        one.record(ImpactRecorder(one, curves, (1,), noise, 0))
        sums.append([sum(curves.of(f"impact.{level}", "guided")[0]) for level in levels])
    assert sums[0] == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)
    assert all(0 < small < large for small, large in zip(sums[1], sums[2], strict=True))


def test_watching_leaves_the_video_as_it_is(subject, generate, attributes_of):
    one = subject(("a red circle moves left",))
    plain = generate(one.pipeline, one.family, one.sampling)
    before = attributes_of(one.pipeline.transformer)
    noise = dict.fromkeys(("step", "cfg", "block_1"), Noise(0.0, 1.0))
    with ImpactRecorder(one, one.curves(), (1,), noise, 0).install() as applied:
        applied.prompt_index = 0
        watched = generate(one.pipeline, one.family, one.sampling)
    assert torch.equal(plain, watched)
    assert attributes_of(one.pipeline.transformer) == before


@pytest.mark.parametrize(
    ("name", "changes", "guided"),
    [("cogvideox", {}, True), ("hunyuan_video", {"true_cfg_scale": 2.0}, True), ("hunyuan_video", {}, False)],
)
def test_batched_embedded_and_doubly_guided_calls_are_taken_apart(name, changes, guided, tiny_pipeline):
    family = load_family(name)
    sampling = replace(family.tiny_sampling(), num_inference_steps=5, **({"true_cfg_scale": None} | changes))
    one = Subject(tiny_pipeline(family), family, sampling, ("a red circle",), "index", "cpu")
    found = OPTIONS.calibrate(one)
    assert ("impact_cfg" in found.fields) == guided
    assert MixCache(**found.fields).theta > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("stable_share", 0.0), ("stable_tolerance", 0.0), ("stable_window", 0), ("cfg_stand_in", "other")],
)
def test_impossible_options_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        MixCacheCalibration(**{field: value})
