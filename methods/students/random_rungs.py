"""Rungs with random weights, for whoever tries a method on a tiny pipeline."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from methods.families.base import Family
from methods.students.conditioning import ConditioningConfig
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import write_predictor
from methods.students.rung import Rung
from methods.students.student import Student, write_student

CONFORMANCE_GUIDANCE = 4.0
_SPREAD = 0.05


def write_random_student(folder: Path, family: Family, transformer: nn.Module) -> Rung:
    """A Restricted MeanFlow student near the transformer, told guidance and r by random embedders."""
    native = family.guidance_embedder(transformer) is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student = Student.beside(family, transformer, ConditioningConfig("native" if native else "added", "sum"))
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=_SPREAD)
    kind, parent = "restricted_meanflow", "0" * 64
    return write_student(folder, student, kind=kind, parent=parent, guidance_range=(1.0, 8.0), provenance={})


def write_random_predictor(folder: Path, family: Family, transformer: nn.Module, *, parent: str = "0" * 64) -> Rung:
    """A predictor as it is before training; caches may be of any age."""
    config = PredictorConfig(fusion="separate")
    predictor = make_predictor(family, transformer, config, seed=0)
    return write_predictor(
        folder, predictor.state_dict(), config, family=family, parent=parent, delta_max=1.0, provenance={}
    )
