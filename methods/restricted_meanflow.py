"""Restricted MeanFlow: MeanFlow trained on short intervals only, which a video model can still learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from methods.students.conditioning import SecondTime
from methods.students.method import StudentMethod


@dataclass(frozen=True)
class RestrictedMeanFlow(StudentMethod):
    """Runs a `restricted_meanflow` rung: each call is told where its Euler step begins and where it ends.

    Source: DisCa, arXiv 2602.05449, section on Restricted MeanFlow and supplementary Algorithm 2;
    Tencent-Hunyuan/DisCa@ea88975, `disca_utils/apply_disca.py`. `weights` is the folder of the rung, as
    `methods/training/restricted_meanflow` writes it; `guidance_scale` the g it is told.

    The step from t to r is z_r = z_t - (t - r) u(z_t, r, t): t is the scheduler's timestep over 1000, r the next one,
    and 0 in the last step. Steps may be longer than the R the student was trained with, as the last ones of a shifted
    schedule of few steps are (the paper's 10 steps at R = 0.2 too).

    Differences: g and r are embedded from float32 values, where upstream's code rounds g to bfloat16; the pipelines may
    round t to the transformer's type.
    """

    kind: ClassVar[str] = "restricted_meanflow"
    conformance_second_time: ClassVar[SecondTime] = "average"
    summary: ClassVar[str] = "mean velocities over short intervals are learnable, and long enough for twenty steps"
    source: ClassVar[str] = "arXiv 2602.05449 Algorithm 2; Tencent-Hunyuan/DisCa@ea88975"
