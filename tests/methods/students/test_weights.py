"""Weights replaced and put back: the same tensors, not only equal ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.students.rung import RungError
from methods.students.weights import ReplacedWeights


@pytest.fixture
def module():
    made = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    made[1].bfloat16()
    return made


def test_replaces_parameters_and_buffers_in_their_types_and_restores_the_very_tensors(module):
    before = dict(module.state_dict(keep_vars=True))
    values = {name: value.clone() for name, value in before.items()}
    others = {name: torch.full(value.shape, 3.0) for name, value in before.items()}
    weights = ReplacedWeights()
    weights.replace(module, others, "here")
    during = module.state_dict(keep_vars=True)
    for name, value in during.items():
        assert (value == 3).all()
        assert value.dtype == before[name].dtype
        assert not value.requires_grad
    weights.restore()
    after = module.state_dict(keep_vars=True)
    assert all(after[name] is before[name] and torch.equal(after[name], values[name]) for name in before)
    assert after["0.weight"].requires_grad


def test_weights_that_do_not_fit_replace_nothing(module):
    before = dict(module.state_dict(keep_vars=True))
    weights = ReplacedWeights()
    with pytest.raises(RungError, match="unknown more"):
        weights.replace(module, {**before, "more": torch.ones(1)}, "here")
    assert all(module.state_dict(keep_vars=True)[name] is value for name, value in before.items())
    weights.restore()


def test_restoring_twice_is_restoring_once(module):
    weights = ReplacedWeights()
    weights.replace(module, {name: value + 1 for name, value in module.state_dict().items()}, "here")
    weights.restore()
    kept = module[0].weight
    weights.restore()
    assert module[0].weight is kept


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_on_an_accelerator_what_is_set_aside_waits_on_the_host():
    module = nn.Linear(256, 256).cuda()
    before, values = module.weight, module.weight.detach().clone()
    weights = ReplacedWeights()
    held = torch.cuda.memory_allocated()
    weights.replace(module, {name: value + 1 for name, value in module.state_dict().items()}, "here")
    assert before.device.type == "cpu"
    assert torch.cuda.memory_allocated() <= held
    weights.restore()
    assert module.weight is before
    assert before.is_cuda
    assert torch.equal(before, values)
