"""Where a training stands, as a folder of safetensors: weights, averages and the optimisers' state of every module."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class TrainingError(RuntimeError):
    """A training cannot begin, go on or be continued."""


Part = tuple[str, nn.Module, Sequence[torch.optim.Optimizer], nn.Module | None]
"""Name, module, its optimisers, and the average of its weights where one is kept."""

_STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Iterations done, seconds spent on them, and what identifies the training."""

    iteration: int
    spent_s: float
    identity: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, parts: Sequence[Part]) -> None:
    """Write `checkpoints/<iteration>` below `folder`, then remove older ones. A folder of that name is always whole."""
    home = folder / "checkpoints"
    unfinished, finished = home / "unfinished", home / f"{checkpoint.iteration:08d}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, module, optimizers, average in parts:
        save_file(_plain(module.state_dict()), unfinished / f"{name}.safetensors")
        save_file(_plain(optimizer_tensors(module, optimizers)), unfinished / f"{name}.optimizer.safetensors")
        if average is not None:
            save_file(_plain(average.state_dict()), unfinished / f"{name}.average.safetensors")
    (unfinished / _STATE).write_text(json.dumps(asdict(checkpoint), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(finished, ignore_errors=True)
    os.replace(unfinished, finished)
    for other in _found(folder):
        if other != finished:
            shutil.rmtree(other)


def read_latest(folder: Path, parts: Sequence[Part], identity: Mapping[str, Any]) -> Checkpoint | None:
    """Load the last checkpoint below `folder` into modules, averages and optimisers; None where there is none.

    Raises:
        TrainingError: it is of a training with another identity; what differs is named.
    """
    found = _found(folder)
    if not found:
        return None
    latest = found[-1]
    checkpoint = Checkpoint(**json.loads((latest / _STATE).read_text(encoding="utf-8")))
    if checkpoint.identity != identity:
        changed = sorted(key for key in identity if checkpoint.identity.get(key) != identity[key])
        raise TrainingError(f"{latest} is of a training with other {', '.join(changed)}; give an empty folder")
    for name, module, optimizers, average in parts:
        module.load_state_dict(load_file(latest / f"{name}.safetensors"))
        load_optimizer_tensors(module, optimizers, load_file(latest / f"{name}.optimizer.safetensors"))
        if average is not None:
            average.load_state_dict(load_file(latest / f"{name}.average.safetensors"))
    return checkpoint


def optimizer_tensors(module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The optimisers' state by parameter name and quantity, e.g. `exp_avg/blocks.0.weight`."""
    return {
        f"{quantity}/{name}": value
        for name, parameter in module.named_parameters()
        for optimizer in optimizers
        for quantity, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer_tensors(
    module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]
) -> None:
    """Restore what `optimizer_tensors` gave."""
    parameters = dict(module.named_parameters())
    owners = {
        parameter: optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for key, value in tensors.items():
        quantity, _, name = key.partition("/")
        parameter = parameters[name]
        # AdamW counts its steps on the CPU and keeps everything else beside the parameter.
        where = value if quantity == "step" else value.to(parameter.device)
        owners[parameter].state[parameter][quantity] = where


def _found(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "checkpoints").glob("*") if path.name.isdigit())


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
