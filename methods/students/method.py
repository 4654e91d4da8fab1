"""What the methods that run a distilled student have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.students.applied import NOWHERE_TO_TELL, AppliedStudent
from methods.students.conditioning import ConditioningConfig, SecondTime
from methods.students.in_force import StudentSource
from methods.students.student import Student, write_student

_CONFORMANCE_GUIDANCE = 4.0


@dataclass(frozen=True)
class StudentMethod(Method):
    """Runs a rung of its kind in place of the transformer, one call a step.

    `weights` is the folder of the rung. `guidance_scale` is the g that the student is told, on the scale of
    classifier-free guidance (1 is none). `num_inference_steps` is that of the video.
    """

    weights: str
    guidance_scale: float
    num_inference_steps: int

    rung_fields: ClassVar[tuple[str, ...]] = ("weights",)
    kind: ClassVar[str]
    """The rung's, and the name of the method's file."""
    conformance_second_time: ClassVar[SecondTime] = "none"
    """How the conformance suite's random student embeds r."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not self.weights:
            raise ValueError(f"weights is empty; give the folder of a {self.kind} rung")
        if self.guidance_scale <= 0:
            raise ValueError(f"guidance_scale is {self.guidance_scale}; give more than 0 (1 is no guidance)")
        if self.num_inference_steps < 1:
            raise ValueError(f"num_inference_steps is {self.num_inference_steps}; give at least 1")

    def unsupported(self, family: Family) -> str | None:
        """A family whose time embedding is not known."""
        if family.takes_conditions:
            return None
        return NOWHERE_TO_TELL

    def sampling(self, default: Sampling) -> Sampling:
        """One call a step: no classifier-free guidance, since the student is told the scale."""
        return replace(default, num_inference_steps=self.num_inference_steps, guidance_scale=1.0, true_cfg_scale=None)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            RungError: the rung is missing, damaged, or does not fit the pipeline or this method.
            MethodError: the student predicts whole steps and the scheduler is not a plain Euler one.
        """
        return AppliedStudent(pipeline, family, self.source_of_student()).install()

    def source_of_student(self) -> StudentSource:
        """The rung that is put in force, and the scale it is told."""
        return StudentSource(Path(self.weights), (self.kind,), self.guidance_scale)

    @classmethod
    def conformance_identity(cls, default: Sampling) -> None:
        """None: the weights are others."""
        return None

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """As many steps, each of one call; its folder is there only in `conformance_weights`."""
        return cls(
            weights="conformance",
            guidance_scale=_CONFORMANCE_GUIDANCE,
            num_inference_steps=default.num_inference_steps,
        )

    @classmethod
    def conformance_weights(cls, family: Family, pipeline: Any, folder: Path) -> Self:
        """See `Method.conformance_weights`: the pipeline's own weights and random embedders of the conditions."""
        transformer = family.transformer(pipeline)
        native = family.guidance_embedder(transformer) is not None
        config = ConditioningConfig("native" if native else "added", cls.conformance_second_time)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            student = Student.beside(family, transformer, config)
            with torch.no_grad():
                for parameter in student.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.05)
        write_student(folder, student, kind=cls.kind, parent="0" * 64, guidance_range=None, provenance={})
        return replace(cls.conformance_active(family.tiny_sampling()), weights=str(folder))
