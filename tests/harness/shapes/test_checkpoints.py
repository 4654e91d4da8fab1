"""Training state: complete, replaced in one step, and nothing where nothing was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.shapes import checkpoints
from harness.shapes.checkpoints import load_checkpoint, save_checkpoint


def made(seed=0):
    torch.manual_seed(seed)
    module = nn.Linear(3, 2)
    return module, torch.optim.AdamW(module.parameters(), lr=0.1)


def step(module, optimizer):
    optimizer.zero_grad()
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()


def test_there_is_nothing_in_a_new_folder_which_is_made(tmp_path):
    assert load_checkpoint(tmp_path / "a" / "b", *made()) == (0, 0.0)
    assert (tmp_path / "a" / "b").is_dir()


def test_continuing_from_a_checkpoint_equals_never_having_stopped(tmp_path):
    module, optimizer = made()
    step(module, optimizer)
    average = {"weight": torch.ones(2, 3)}
    save_checkpoint(tmp_path, module, optimizer, 7, 1.5, average)
    other, other_optimizer = made(seed=1)
    filled = {"weight": torch.zeros(2, 3)}
    assert load_checkpoint(tmp_path, other, other_optimizer, filled) == (7, 1.5)
    assert torch.equal(filled["weight"], average["weight"])
    for _ in range(2):
        step(module, optimizer)
        step(other, other_optimizer)
    assert torch.equal(module.weight, other.weight)


def test_a_death_while_writing_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    module, optimizer = made()
    save_checkpoint(tmp_path, module, optimizer, 1, 0.0)

    def dies(state, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, module, optimizer, 2, 0.0)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path, *made())[0] == 1
    save_checkpoint(tmp_path, module, optimizer, 3, 0.0)
    assert load_checkpoint(tmp_path, *made())[0] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
