"""TeaCache's polynomial."""

from __future__ import annotations

import math

import pytest

from harness.calibrate.base import Curves
from harness.calibrate.calibration import CalibrationError
from harness.calibrate.teacache import MODULATED_CHANGE, OUTPUT_CHANGE, TeaCacheCalibration, fit, points
from methods.teacache import TeaCache, evaluate


def test_the_fit_finds_the_polynomial_the_points_lie_on():
    wanted = (5.0, -4.0, 3.0, -2.0, 1.0)
    x = [index / 10 for index in range(12)]
    assert fit(x, [evaluate(wanted, value) for value in x], 4) == pytest.approx(wanted)


def test_the_fit_is_least_squares():
    assert fit([0, 0, 1, 1], [0, 2, 3, 5], 1) == pytest.approx((3.0, 1.0))


def test_too_few_different_changes_are_refused_with_the_remedy():
    with pytest.raises(CalibrationError, match=r"4.*3 different changes.*--set degree"):
        fit([1, 1, 2, 3], [1, 1, 2, 3], 4)


def test_points_pair_branch_prompt_and_step():
    curves = Curves(2, 3)
    for branch, offset in (("cond", 0), ("uncond", 10)):
        for prompt in range(2):
            curves.add(MODULATED_CHANGE, branch, prompt, 1, offset + prompt)
            curves.add(OUTPUT_CHANGE, branch, prompt, 1, 100 + offset + prompt)
            curves.add(OUTPUT_CHANGE, branch, prompt, 2, 7)
    assert points(curves, OUTPUT_CHANGE) == ([0, 1, 10, 11], [100, 101, 110, 111])


def test_what_is_measured_is_what_the_method_compares(subject):
    """With p(x) = x and a threshold that always skips after the last force, TeaCache adds up the same changes."""
    one = subject(("a red circle",))
    found = TeaCacheCalibration(degree=1).calibrate(one)
    curve = next(curve for curve in found.curves if (curve.name, curve.branch) == (MODULATED_CHANGE, "cond"))

    method = TeaCache(rel_l1_thresh=1e6)
    arguments = one.family.call_arguments("a red circle", one.sampling)
    with method.apply(one.pipeline, one.family) as applied, one.family.scheduled(one.pipeline, one.sampling):
        one.pipeline(**arguments, output_type="latent")
        sums = [item.distance for item in applied.decisions() if item.branch == "cond"][1:-1]
    steps = [later - before for before, later in zip([0.0, *sums], sums, strict=False)]
    assert list(curve.values[0][1:-1]) == pytest.approx(steps, rel=1e-4)


def test_the_calibration_changes_nothing_and_fits_a_method(subject, attributes_of):
    one = subject()
    before = attributes_of(one.pipeline.transformer)
    found = TeaCacheCalibration(degree=2, target="residual").calibrate(one)
    assert attributes_of(one.pipeline.transformer) == before
    method = TeaCache(rel_l1_thresh=0.1, **found.fields)
    assert len(method.polynomial()) == 3
    assert all(math.isfinite(value) for value in method.polynomial())
    assert {(curve.name, curve.branch) for curve in found.curves} == {
        (name, branch)
        for name in ("modulated_change", "output_change", "residual_change")
        for branch in ("cond", "uncond")
    }


@pytest.mark.parametrize(("field", "value"), [("target", "latent"), ("degree", 0)])
def test_impossible_options_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        TeaCacheCalibration(**{field: value})
