"""What a row's model is, without its weights: configurations of its components from a folder or from the family."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.errors import HarnessError, nearest
from harness.task import ModelSpec
from harness.tiny import is_tiny, tiny_pipeline
from methods.families.base import Family

Config = Mapping[str, Any]

_NO_MODEL = ("source", "scheduler", "guider")


class UnpricedError(HarnessError):
    """A row cannot be priced; the message is the reason that is shown in place of its cost."""


def architecture_of(spec: ModelSpec, family: Family) -> Config:
    """Configurations by component (`transformer`, `vae`, `scheduler`, ...): a folder's own, or the family's by hub id.

    Raises:
        UnpricedError: the family knows no architecture of that id.
    """
    if is_tiny(spec.model):
        return pipeline_architecture(tiny_pipeline(family, spec.model, "cpu"), family)
    folder = Path(spec.model)
    if folder.is_absolute():
        return _folder_architecture(folder)
    known = family.architectures()
    if spec.model not in known:
        raise UnpricedError(
            f"the architecture of {spec.model} is not in methods/families/architectures/{family.name}.json"
            f"{nearest(spec.model, known) if known else ''}"
        )
    return known[spec.model]


def pipeline_architecture(pipeline: Any, family: Family) -> Config:
    """What of a loaded pipeline decides the cost of its denoiser."""
    transformer: Any = family.transformer(pipeline)
    scheduler = pipeline.scheduler
    return {
        name: {**part.config, "_class_name": type(part).__name__, "_library": type(part).__module__}
        for name, part in (("transformer", transformer), ("scheduler", scheduler))
    }


def _folder_architecture(folder: Path) -> Config:
    found: dict[str, Any] = {}
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    for name, value in index.items():
        if not isinstance(value, list) or value[0] is None:
            continue
        path = folder / name / ("scheduler_config.json" if name == "scheduler" else "config.json")
        if path.is_file():
            found[name] = {"_class_name": value[1], **_read(path), "_library": value[0]}
    return found


def _read(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def empty_transformer(family: Family, architecture: Config, dtype: str) -> nn.Module:
    """The transformer on the meta device, all of it in `dtype`, so that what it computes is of that type throughout."""
    transformer = family.empty_transformer(architecture)
    # Not the model's own `to`, which warns that some modules would better stay in float32: there are no values here.
    return nn.Module.to(transformer, dtype=getattr(torch, dtype))


def model_bytes(family: Family, architecture: Config, dtype: str) -> dict[str, int]:
    """Bytes of the weights of each component that the architecture has a configuration of, at `dtype`.

    Modules and components that loading keeps in float32 are counted so.
    """
    found = {}
    for name, config in architecture.items():
        if name in _NO_MODEL or not isinstance(config, Mapping):
            continue
        module = family.empty_transformer(architecture) if name == "transformer" else _empty_component(config)
        whole = name in family.float32_components
        found[name] = weight_bytes(module, torch.float32 if whole else getattr(torch, dtype))
    return found


def weight_bytes(module: nn.Module, dtype: torch.dtype) -> int:
    """Bytes of parameters and buffers if floating-point ones are stored in `dtype`, shared ones counted once."""
    kept = getattr(module, "_keep_in_fp32_modules", None) or ()
    total, seen = 0, set()
    state = [*module.named_parameters(), *module.named_buffers()]
    for name, value in state:
        if id(value) in seen:
            continue
        seen.add(id(value))
        stored = value.dtype
        if value.is_floating_point():
            stored = torch.float32 if any(part in name for part in kept) else dtype
        total += value.numel() * stored.itemsize
    return total


def _empty_component(config: Config) -> nn.Module:
    """A component on the meta device, from its class and a configuration of diffusers or transformers."""
    library: Any = importlib.import_module(str(config.get("_library", "diffusers")))
    component: Any = getattr(library, str(config["_class_name"]))
    own = {key: value for key, value in config.items() if key not in ("_library", "_class_name")}
    with torch.device("meta"):
        if hasattr(component, "config_class"):  # of transformers
            made: nn.Module = component(component.config_class.from_dict(own))
        else:
            made = component.from_config(own)
    return made
