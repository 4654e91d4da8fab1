"""A student that is told the guidance scale, from the model itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from harness.training.rungs.base import TrainableRung
from methods.base import Sampling
from methods.students.rung import Rung
from methods.training.cfg_distillation import CfgDistillation, train_cfg_distillation


class CfgDistilled(TrainableRung):
    """See `methods.training.cfg_distillation`."""

    settings: ClassVar[type[Any]] = CfgDistillation
    training: ClassVar[Callable[..., Rung]] = staticmethod(train_cfg_distillation)

    def misfit(self, settings: CfgDistillation, sampling: Sampling) -> str | None:
        """See `TrainableRung.misfit`: the scale that the batches tell the teacher is to be the one that is said."""
        if settings.teacher_guidance in (None, sampling.guidance_scale):
            return None
        return (
            f"settings.teacher_guidance is {settings.teacher_guidance}, but the batches tell the teacher "
            f"{sampling.guidance_scale}; set data.guidance_scale to the same"
        )
