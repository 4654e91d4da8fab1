"""Resumable training state: weights, averaged weights and optimiser of one module in one folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

_FILE = "checkpoint.pt"


class Stateful(Protocol):
    """An optimiser, or several behind one face."""

    def state_dict(self) -> dict[str, Any]:
        """What to write down."""

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue from it."""


def save_checkpoint(
    folder: Path,
    module: nn.Module,
    optimizer: Stateful,
    step: int,
    spent_s: float,
    averaged: dict[str, Any] | None = None,
) -> None:
    """Write the state of a training, replacing the last one atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "spent_s": spent_s,
        "averaged": averaged,
    }
    unfinished = folder / f"{_FILE}.tmp"
    torch.save(state, unfinished)
    os.replace(unfinished, folder / _FILE)


def has_checkpoint(folder: Path) -> bool:
    """Whether `load_checkpoint` would find something there."""
    return (folder / _FILE).exists()


def load_checkpoint(
    folder: Path,
    module: nn.Module,
    optimizer: Stateful,
    averaged: dict[str, Any] | None = None,
) -> tuple[int, float]:
    """Restore what `save_checkpoint` wrote; (0, 0.0) where there is nothing yet. Fills `averaged` in place."""
    folder.mkdir(parents=True, exist_ok=True)
    if not has_checkpoint(folder):
        return 0, 0.0
    state = torch.load(folder / _FILE, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    if averaged is not None and state["averaged"] is not None:
        averaged.update(state["averaged"])
    return state["step"], state["spent_s"]
