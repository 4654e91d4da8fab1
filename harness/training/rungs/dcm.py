"""Two experts of a few-step student, from the model itself or from a CFG-distilled one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from harness.training.rungs.base import TrainableRung
from methods.students.rung import Rung
from methods.training.dcm import DcmTraining, train_dcm
from methods.training.mean_flow_identity import TEACHER_KIND


class Dcm(TrainableRung):
    """See `methods.training.dcm`."""

    settings: ClassVar[type[Any]] = DcmTraining
    parent_key: ClassVar[str | None] = "teacher"
    parent_kinds: ClassVar[tuple[str, ...]] = (TEACHER_KIND,)
    parent_optional: ClassVar[bool] = True
    training: ClassVar[Callable[..., Rung]] = staticmethod(train_dcm)
