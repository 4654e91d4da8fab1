"""A predictor of a student's token states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from harness.training.rungs.base import TrainableRung
from methods.students.predictor_rung import STUDENT_KINDS
from methods.students.rung import Rung
from methods.training.disca_predictor import DiscaPredictorTraining, train_disca_predictor


class Disca(TrainableRung):
    """See `methods.training.disca_predictor`."""

    settings: ClassVar[type[Any]] = DiscaPredictorTraining
    parent_key: ClassVar[str | None] = "student"
    parent_kinds: ClassVar[tuple[str, ...]] = STUDENT_KINDS
    training: ClassVar[Callable[..., Rung]] = staticmethod(train_disca_predictor)
