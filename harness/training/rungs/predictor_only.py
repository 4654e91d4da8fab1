"""A predictor of the model's own token states: the paper's predictor without distillation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from harness.training.rungs.base import TrainableRung
from methods.students.rung import Rung
from methods.training.disca_predictor import DiscaPredictorTraining, train_disca_predictor


class PredictorOnly(TrainableRung):
    """See `methods.training.disca_predictor`."""

    settings: ClassVar[type[Any]] = DiscaPredictorTraining
    training: ClassVar[Callable[..., Rung]] = partial(train_disca_predictor, student=None)
