"""MagCache's ratios."""

from __future__ import annotations

import pytest
import torch

from harness.calibrate.magcache import MagCacheCalibration, fit, magnitude_ratio
from methods.magcache import MagCache


def test_the_ratio_is_a_mean_over_tokens_of_norms_over_the_width():
    before = torch.tensor([[[3.0, 4.0], [1.0, 0.0]]])
    residual = torch.tensor([[[0.0, 10.0], [0.0, 4.0]]])
    assert magnitude_ratio(residual, before).item() == pytest.approx((10 / 5 + 4 / 1) / 2)


def test_the_fit_is_the_mean_over_prompts_and_begins_with_1():
    assert fit([[None, 0.5, 0.25], [None, 1.5, 0.75]], 3) == (1.0, 1.0, 0.5)


def test_each_branch_has_a_ratio_a_step(subject):
    found = MagCacheCalibration().calibrate(subject(("a red circle",)))
    method = MagCache(magcache_thresh=0.1, magcache_K=2, **found.fields)
    assert len(method.mag_ratios) == len(method.mag_ratios_uncond) == 6
    assert method.mag_ratios[0] == method.mag_ratios_uncond[0] == 1.0
    assert method.mag_ratios != method.mag_ratios_uncond


def test_a_call_of_both_branches_and_one_without_guidance_have_one_list(subject):
    found = MagCacheCalibration().calibrate(subject(("a red circle",), guidance_scale=1.0))
    assert set(found.fields) == {"mag_ratios"}
