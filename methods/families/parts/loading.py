"""Reading a pipeline from a folder or the hub, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import diffusers
import torch

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers


def floating_point_type(dtype: str) -> torch.dtype:
    """Torch's type of this name.

    Raises:
        ValueError: it is no floating-point type of torch.
    """
    element = getattr(torch, dtype, None)
    if not isinstance(element, torch.dtype) or not element.is_floating_point:
        raise ValueError(f"dtype is {dtype!r}; give a floating-point type of torch such as bfloat16")
    return element


def pipeline_index(model: str, revision: str | None, family: str, pipeline_class: str) -> Mapping[str, Any]:
    """What the model's index says of its components; reads no weights.

    Raises:
        ValueError: the model is made for another pipeline than the family's.
        OSError: there is no such model, or it is not on disk and the hub cannot be asked.
    """
    index: Mapping[str, Any] = getattr(_diffusers, pipeline_class).load_config(model, revision=revision)
    found = index.get("_class_name")
    if found != pipeline_class:
        raise ValueError(f"{model} is made for {found}; family {family} runs {pipeline_class}, so name another family")
    return index


def load_pipeline(
    model: str, *, revision: str | None, dtype: str, device: str, family: str, pipeline_class: str
) -> Any:
    """The family's pipeline with all components in one type and without a progress bar.

    Raises:
        ValueError: the model is made for another pipeline, or `dtype` is no floating-point type of torch.
        OSError: there is no such model, or it is not on disk and the hub cannot be asked.
    """
    element = floating_point_type(dtype)
    pipeline_index(model, revision, family, pipeline_class)
    pipeline = getattr(_diffusers, pipeline_class).from_pretrained(model, revision=revision, dtype=element)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
