"""AdaCache's codebook."""

from __future__ import annotations

import pytest
import torch

from harness.calibrate.adacache import DISTANCE, MOTION_GRADIENT, MOTION_SCORE, AdaCacheCalibration, split
from harness.calibrate.calibration import CalibrationError
from methods.adacache import AdaCache


def test_the_range_is_split_evenly():
    assert split([0.0, 0.48, 0.1, 0.2], 6, 0.0, 1.0) == pytest.approx((0.08, 0.16, 0.24, 0.32, 0.40, 0.48))


def test_quantiles_leave_odd_steps_out():
    distances = [index / 100 for index in range(100)] + [50.0]
    assert split(distances, 2, 0.0, 0.95) == pytest.approx((0.475, 0.95))


def test_equal_distances_are_refused():
    with pytest.raises(CalibrationError, match=r"all distances are 0.5"):
        split([0.5, 0.5], 3, 0.0, 1.0)


def test_what_is_measured_is_the_distance_the_method_decides_by(subject):
    one = subject(("a red circle",))
    found = AdaCacheCalibration(rates=(2, 1)).calibrate(one)
    curve = next(curve for curve in found.curves if (curve.name, curve.branch) == (DISTANCE, "cond"))

    identity = AdaCache.conformance_identity(one.sampling)
    arguments = one.family.call_arguments("a red circle", one.sampling)

    with identity.apply(one.pipeline, one.family) as applied, one.family.scheduled(one.pipeline, one.sampling):
        generator = torch.Generator().manual_seed(one.seeds[0])
        one.pipeline(**arguments, generator=generator, output_type="latent")
        decided = [item.distance for item in applied.decisions() if item.branch == "cond"][1:-2]
    assert list(curve.values[0][1:-2]) == pytest.approx(decided, rel=1e-5)


def test_the_fields_make_a_method_and_motion_is_measured(subject):
    found = AdaCacheCalibration(rates=(3, 2, 1)).calibrate(subject())
    book = AdaCache(**found.fields).book()
    assert book.rates == (3, 2, 1)
    assert list(book.thresholds) == sorted(set(book.thresholds))
    curves = {(curve.name, curve.branch): curve.values for curve in found.curves}
    scores, gradients = curves[MOTION_SCORE, "cond"][1], curves[MOTION_GRADIENT, "cond"][1]
    assert all(0 < score < 1 for score in scores)
    assert gradients[0] is None
    assert gradients[1] == pytest.approx(scores[1] - scores[0], abs=1e-5)


@pytest.mark.parametrize(("field", "value"), [("rates", ()), ("rates", (2, 0)), ("upper_quantile", 1.5)])
def test_impossible_options_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        AdaCacheCalibration(**{field: value})
