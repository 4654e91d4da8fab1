"""A few-step student over any interval, from a CFG-distilled one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from harness.training.rungs.base import TrainableRung
from methods.students.rung import Rung
from methods.training.mean_flow_identity import TEACHER_KIND
from methods.training.meanflow import MeanFlowTraining, train_meanflow


class Meanflow(TrainableRung):
    """See `methods.training.meanflow`."""

    settings: ClassVar[type[Any]] = MeanFlowTraining
    parent_key: ClassVar[str | None] = "teacher"
    parent_kinds: ClassVar[tuple[str, ...]] = (TEACHER_KIND,)
    training: ClassVar[Callable[..., Rung]] = staticmethod(train_meanflow)
