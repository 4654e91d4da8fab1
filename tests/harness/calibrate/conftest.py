"""A calibration of nothing in particular, and a tiny original to calibrate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from harness.calibrate.base import Subject
from harness.calibrate.calibration import Calibration, Curve, MadeBy, PromptsUsed
from methods.base import Sampling
from methods.families.wan import Wan

SAMPLING = Sampling(num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=9, max_sequence_length=8)


@pytest.fixture
def calibration() -> Calibration:
    return Calibration(
        method="teacache",
        family="wan",
        model="shapes/model",
        model_fingerprint="abc",
        dtype="float32",
        sampling=asdict(SAMPLING),
        options={"degree": 1},
        prompts=PromptsUsed(count=1, sha256="0" * 64),
        seeds=(0,),
        made_by=MadeBy(harness="0.1.0", commit=None, date="2025-01-01T00:00:00+00:00"),
        fields={"coefficients": [0.5, 0.25]},
        curves=(Curve(name="output_change", branch="cond", values=((None, 0.5),)),),
    )


@pytest.fixture
def subject(tiny_pipeline: Callable[..., Any]) -> Callable[..., Subject]:
    """A tiny Wan with 3 latent frames; keyword arguments change its sampling."""
    family = Wan()

    def make(prompts: tuple[str, ...] = ("a red circle", "a blue square moves left"), **changes: Any) -> Subject:
        return Subject(tiny_pipeline(family), family, replace(SAMPLING, **changes), prompts, "vbench-wan", "cpu")

    return make
