"""DisCa: a small learned predictor takes the place of the block stack in most steps of a few-step student."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.students.applied import NOWHERE_TO_TELL
from methods.students.attached_predictor import (
    AppliedPredictor,
    AppliedStudentWithPredictor,
    Excess,
    PredictorSource,
    check_excess,
)
from methods.students.in_force import StudentSource
from methods.students.predictor import unsupported_predictor
from methods.students.predictor_rung import STUDENT_KINDS
from methods.students.random_rungs import CONFORMANCE_GUIDANCE, write_random_predictor, write_random_student
from methods.students.step_list import alternate, check_step_list

_RELEASED = (0, 1, 2, 5, 9, 13, 17, 19)


@dataclass(frozen=True)
class Disca(Method):
    """A student of Restricted MeanFlow whose block stack runs in the steps of `step_list` only.

    Source: "DisCa: Accelerating Video Diffusion Transformers with Distillation-Compatible Learnable Feature Caching",
    arXiv 2602.05449, supplementary 8.1, 8.4 and Algorithm 3; repository Tencent-Hunyuan/DisCa@60d70a2.

    In a full step everything runs, and the tokens that the last block returned (of video and text) are kept: the whole
    cache. In any other step only embedders, condition vector and output layer run, and in the place of the stack a
    predictor: two blocks of the transformer's own kind behind an MLP that joins the tokens entering the stack with the
    cached ones. What is full is a fixed list. Lists for 20 steps, with the paper's N, the most steps from one full step
    to the next:

    * N = 4: 0 1 2 5 9 13 17 19, the default, and 0 1 2 5 9 11 13 15 17 19: released;
    * N = 3: 0 1 2 4 6 8 11 13 15 17 19; N = 2: 0 1 2 3 5 7 9 11 13 15 17 18 19: ours, of the paper's number of full
      steps (11 and 13), since its own lists are not published.

    For HunyuanVideo 1.5 with 8 steps 0 2 4 7 is released; the paper calls it N = 2, though its longest interval is 3.

    `weights` is the folder of the predictor's rung and `student_weights` that of the student it was trained for, which
    is told `guidance_scale` and the end of each step. Without `student_weights` the loaded model itself is the student,
    as HunyuanVideo 1.5's step-distilled one is, and guidance is the suite's business. A list by which a cache would
    get older, in sigma after the schedule's shift, than those the predictor was trained on is refused, or with
    `beyond_delta_max: warn` run.

    Differences: the state is kept for each branch of guidance and dropped between videos; the age of caches is judged,
    which the repository leaves to who writes the list; a predictor can be trained for families the paper does not have.
    """

    weights: str
    student_weights: str | None = None
    guidance_scale: float | None = None
    num_inference_steps: int = 20
    step_list: tuple[int, ...] = _RELEASED
    beyond_delta_max: Excess = "raise"

    rung_fields: ClassVar[tuple[str, ...]] = ("weights", "student_weights")
    summary: ClassVar[str] = "a small trained network predicts a few-step student's token states from an earlier step's"
    source: ClassVar[str] = "arXiv 2602.05449 supplementary 8.1 and 8.4; Tencent-Hunyuan/DisCa@60d70a2"

    def __post_init__(self) -> None:
        """Make a tuple of what YAML reads as a list; refuse impossible values."""
        object.__setattr__(self, "step_list", tuple(self.step_list))
        if not self.weights:
            raise ValueError("weights is empty; give the folder of a disca_predictor rung")
        if (self.student_weights is None) != (self.guidance_scale is None):
            raise ValueError(
                f"student_weights is {self.student_weights!r} and guidance_scale {self.guidance_scale}; give both, or "
                "neither where the loaded model is itself the student"
            )
        if self.guidance_scale is not None and self.guidance_scale <= 0:
            raise ValueError(f"guidance_scale is {self.guidance_scale}; give more than 0 (1 is no guidance)")
        check_step_list(self.step_list, self.num_inference_steps)
        check_excess(self.beyond_delta_max)

    def unsupported(self, family: Family) -> str | None:
        """A stack no predictor fits; or a student of a family whose time embedding is not known."""
        if self.student_weights is not None and not family.takes_conditions:
            return NOWHERE_TO_TELL
        return unsupported_predictor(family)

    def sampling(self, default: Sampling) -> Sampling:
        """The student's steps; one call each where it is told the guidance scale."""
        if self.student_weights is None:
            return replace(default, num_inference_steps=self.num_inference_steps)
        return replace(default, num_inference_steps=self.num_inference_steps, guidance_scale=1.0, true_cfg_scale=None)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            RungError: a rung is missing, damaged, does not fit, or the predictor was trained for another student.
        """
        source = PredictorSource(Path(self.weights), self.step_list, self.num_inference_steps, self.beyond_delta_max)
        if self.student_weights is None or self.guidance_scale is None:
            return AppliedPredictor(pipeline, family, source).install()
        student = StudentSource(Path(self.student_weights), STUDENT_KINDS, self.guidance_scale)
        return AppliedStudentWithPredictor(pipeline, family, student, source).install()

    @classmethod
    def conformance_identity(cls, default: Sampling) -> None:
        """None: the weights are others."""
        return None

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Every second step full; its folder is there only in `conformance_weights`."""
        steps = default.num_inference_steps
        return cls(weights="conformance", num_inference_steps=steps, step_list=alternate(steps))

    @classmethod
    def conformance_weights(cls, family: Family, pipeline: Any, folder: Path) -> Self:
        """See `Method.conformance_weights`: a random predictor, on a random student where the family can have one."""
        method, transformer = cls.conformance_active(family.tiny_sampling()), family.transformer(pipeline)
        if not family.takes_conditions:
            write_random_predictor(folder / "predictor", family, transformer)
            return replace(method, weights=str(folder / "predictor"))
        student = write_random_student(folder / "student", family, transformer)
        write_random_predictor(folder / "predictor", family, transformer, parent=student.weights_sha256)
        return replace(
            method,
            weights=str(folder / "predictor"),
            student_weights=str(folder / "student"),
            guidance_scale=CONFORMANCE_GUIDANCE,
        )
