"""What a rung is to `harness train`: its hyper-parameters, the rung it is trained from, and its training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from methods.base import Sampling
from methods.families.base import Family
from methods.students.rung import Rung
from methods.training.loop import Batches, LoopConfig, Report


@dataclass(frozen=True, slots=True)
class RungTask:
    """All that a training needs. `settings` is of the rung's own class, `dtype` that of the weights it writes."""

    family: Family
    transformer: nn.Module
    """The model's own, in float32: the teacher where there is no `parent`, else the architecture of it."""
    parent: Path | None
    batches: Batches
    settings: Any
    loop: LoopConfig
    folder: Path
    report: Report
    dtype: torch.dtype


class TrainableRung:
    """One rung. Stateless; discovered by the name of its file."""

    settings: ClassVar[type[Any]]
    """Dataclass of its hyper-parameters."""
    parent_key: ClassVar[str | None] = None
    """What a configuration calls the folder of the rung it is trained from; None where that is the model itself."""
    parent_optional: ClassVar[bool] = False
    """Whether it is trained from the model itself where no such folder is given."""
    parent_kinds: ClassVar[tuple[str, ...]] = ()
    training: ClassVar[Callable[..., Rung]]
    """Of family and transformer, and by name the rest of a task and the parent's folder, named `parent_key`."""

    def misfit(self, settings: Any, sampling: Sampling) -> str | None:
        """Why batches of videos that are sampled so do not go with these settings, or None."""
        return None

    def train(self, task: RungTask) -> Rung:
        """Train, or go on from the last checkpoint, and write the rung to `task.folder`."""
        parent = {} if self.parent_key is None else {self.parent_key: task.parent}
        return type(self).training(
            task.family,
            task.transformer,
            batches=task.batches,
            config=task.settings,
            loop=task.loop,
            folder=task.folder,
            report=task.report,
            dtype=task.dtype,
            **parent,
        )
