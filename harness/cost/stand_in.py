"""A stand-in for a pipeline: what methods and families look at while a video is made, and nothing that makes one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from methods.base import Sampling
from methods.families.base import Family


def stand_in_pipeline(family: Family, architecture: Mapping[str, Any], transformer: nn.Module) -> Any:
    """The family's tiny pipeline with another transformer and the architecture's scheduler.

    Where the architecture's scheduler is not known it keeps its own, which is of the class and with the settings that
    the family's models have; timesteps matter to methods with a window of them.
    """
    tiny = family.tiny(0)
    parts = {**tiny.components, "transformer": transformer}
    if "scheduler" in architecture:
        config = architecture["scheduler"]
        library: Any = importlib.import_module(str(config.get("_library", "diffusers")))
        own = {key: value for key, value in config.items() if key not in ("_library", "_class_name")}
        parts["scheduler"] = getattr(library, str(config["_class_name"])).from_config(own)
    # Made anew, since a pipeline takes some of its settings from its transformer.
    return type(tiny)(**parts)


def set_timesteps(pipeline: Any, sampling: Sampling) -> None:
    """As the pipeline does at the beginning of a video, under `Family.scheduled`."""
    steps = sampling.num_inference_steps
    # Pipelines that take `sigmas` hand evenly spread ones to the scheduler where none are given.
    if "sigmas" in inspect.signature(type(pipeline).__call__).parameters:
        pipeline.scheduler.set_timesteps(sigmas=np.linspace(1.0, 0.0, steps + 1)[:-1])
    else:
        pipeline.scheduler.set_timesteps(steps)
