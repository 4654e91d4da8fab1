"""Checkpoints: whole folders, the last one only, the optimiser's state by name."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from methods.training import checkpoints
from methods.training.checkpoints import Checkpoint, read_latest, write_checkpoint


@pytest.fixture
def part():
    """A module after two steps, its optimiser and its average."""
    torch.manual_seed(0)
    module, average = nn.Linear(2, 1), nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    for _ in range(2):
        module(torch.randn(4, 2)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return "line", module, (optimizer,), average


def test_comes_back_whole(tmp_path, part):
    write_checkpoint(tmp_path, Checkpoint(2, 1.5, {"seed": 0}), [part])
    fresh = nn.Linear(2, 1)
    optimizer, average = torch.optim.AdamW(fresh.parameters(), lr=0.1), nn.Linear(2, 1)
    found = read_latest(tmp_path, [("line", fresh, (optimizer,), average)], {"seed": 0})
    assert found == Checkpoint(2, 1.5, {"seed": 0})
    assert torch.equal(fresh.weight, part[1].weight)
    assert torch.equal(average.weight, part[3].weight)
    expected = part[2][0].state[part[1].weight]
    state = optimizer.state[fresh.weight]
    assert state.keys() == expected.keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_only_the_last_is_kept_and_an_unfinished_one_is_ignored(tmp_path, part, monkeypatch):
    for iteration in (2, 4):
        write_checkpoint(tmp_path, Checkpoint(iteration, 0.0, {}), [part])
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000004"]

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(tmp_path, Checkpoint(6, 0.0, {}), [part])
    monkeypatch.undo()
    assert read_latest(tmp_path, [part], {}).iteration == 4
    write_checkpoint(tmp_path, Checkpoint(6, 0.0, {}), [part])
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["00000006"]


def test_is_safetensors_by_parameter_name(tmp_path, part):
    write_checkpoint(tmp_path, Checkpoint(2, 0.0, {}), [part])
    folder = tmp_path / "checkpoints" / "00000002"
    assert set(load_file(folder / "line.optimizer.safetensors")) == {
        f"{quantity}/{name}" for quantity in ("step", "exp_avg", "exp_avg_sq") for name in ("weight", "bias")
    }
    assert {path.name for path in folder.iterdir()} == {
        "line.safetensors",
        "line.average.safetensors",
        "line.optimizer.safetensors",
        "state.json",
    }


def test_an_empty_folder_has_none(tmp_path, part):
    assert read_latest(tmp_path, [part], {}) is None
