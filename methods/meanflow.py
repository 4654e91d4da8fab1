"""MeanFlow: a student that predicts the mean velocity of a whole step, so that few steps suffice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from methods.students.conditioning import SecondTime
from methods.students.method import StudentMethod


@dataclass(frozen=True)
class MeanFlow(StudentMethod):
    """Runs a `meanflow` rung: each call is told where its Euler step begins and where it ends.

    Source: Geng et al., "Mean Flows for One-step Generative Modeling", arXiv 2505.13447, as DisCa (arXiv 2602.05449)
    compares with it: distilled from a CFG-distilled model. `weights` is the folder of the rung, as
    `methods/training/meanflow` writes it; `guidance_scale` the g it is told.

    The step from t to r is z_r = z_t - (t - r) u(z_t, r, t), which is the scheduler's own Euler step: t is its timestep
    over 1000, r the next one, and 0 in the last step.

    Differences: how r is embedded is the rung's choice (`ConditioningConfig`), where the original always embeds
    (t, t - r); g and r are embedded from float32 values, while the pipelines may round t to the transformer's type.
    """

    kind: ClassVar[str] = "meanflow"
    conformance_second_time: ClassVar[SecondTime] = "sum"
    summary: ClassVar[str] = "predicting the mean velocity of a step, not the one at its start, allows larger steps"
    source: ClassVar[str] = "arXiv 2505.13447 section 4; distilled as in arXiv 2602.05449"
