"""DisCa's predictor on a model that was not distilled into few steps: its paper's ablation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.students.attached_predictor import AppliedPredictor, Excess, PredictorSource, check_excess
from methods.students.predictor import unsupported_predictor
from methods.students.random_rungs import write_random_predictor
from methods.students.step_list import alternate, check_step_list


@dataclass(frozen=True)
class PredictorOnly(Method):
    """The loaded, multi-step model with a learned predictor in the place of its block stack in most steps.

    Source: "DisCa: Accelerating Video Diffusion Transformers with Distillation-Compatible Learnable Feature Caching",
    arXiv 2602.05449, supplementary 7.3 and Table 5, "Predictor w/o distillation"; repository
    Tencent-Hunyuan/DisCa@60d70a2 for the predictor.

    Full are the steps of `step_list`; see `disca` for what is kept of them and what the predictor does in the others.
    `weights` is the folder of the predictor's rung, trained for this model; that it was is not checked, because the
    digest of a large model takes as long as a video. A list by which a cache would get older, in sigma after the
    schedule's shift, than those the predictor was trained on is refused, or with `beyond_delta_max: warn` run.

    Differences: the paper does not say how many steps this row had nor which were full, only that 8 and 4 were; list
    and number of steps are to be given. Models that are sampled with two calls a step have a cache for each branch.
    """

    weights: str
    num_inference_steps: int
    step_list: tuple[int, ...]
    beyond_delta_max: Excess = "raise"

    rung_fields: ClassVar[tuple[str, ...]] = ("weights",)
    summary: ClassVar[str] = "a small trained network predicts a multi-step model's token states from an earlier step's"
    source: ClassVar[str] = "arXiv 2602.05449 supplementary 7.3, Table 5; Tencent-Hunyuan/DisCa@60d70a2"

    def __post_init__(self) -> None:
        """Make a tuple of what YAML reads as a list; refuse impossible values."""
        object.__setattr__(self, "step_list", tuple(self.step_list))
        if not self.weights:
            raise ValueError("weights is empty; give the folder of a disca_predictor rung")
        check_step_list(self.step_list, self.num_inference_steps)
        check_excess(self.beyond_delta_max)

    def unsupported(self, family: Family) -> str | None:
        """A stack no predictor fits."""
        return unsupported_predictor(family)

    def sampling(self, default: Sampling) -> Sampling:
        """`default` with this number of steps."""
        return replace(default, num_inference_steps=self.num_inference_steps)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            RungError: the rung is missing, damaged, or does not fit.
        """
        source = PredictorSource(Path(self.weights), self.step_list, self.num_inference_steps, self.beyond_delta_max)
        return AppliedPredictor(pipeline, family, source).install()

    @classmethod
    def conformance_identity(cls, default: Sampling) -> None:
        """None: a predictor has weights, though a list of all steps never asks it."""
        return None

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Every second step full; its folder is there only in `conformance_weights`."""
        steps = default.num_inference_steps
        return cls(weights="conformance", num_inference_steps=steps, step_list=alternate(steps))

    @classmethod
    def conformance_weights(cls, family: Family, pipeline: Any, folder: Path) -> Self:
        """See `Method.conformance_weights`: a random predictor."""
        write_random_predictor(folder, family, family.transformer(pipeline))
        return replace(cls.conformance_active(family.tiny_sampling()), weights=str(folder))
