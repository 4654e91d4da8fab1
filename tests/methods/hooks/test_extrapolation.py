"""Extrapolation of a module's outputs: by branch, from computed or from all returned outputs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from diffusers.hooks import HookRegistry
from torch import nn

from methods.hooks import TensorStore
from methods.hooks.extrapolation import ExtrapolationHook


@dataclass
class Rule:
    extrapolates: bool = False
    weight: float = 0.5
    running: tuple = ("cond",)
    kept: tuple = ("cond",)


class Square(nn.Module):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * x


class Both(Square):
    def forward(self, x):
        return super().forward(x), -x


def hooked(module, rule, remember="computed"):
    store = TensorStore()
    HookRegistry.check_if_exists_or_initialize(module).register_hook(
        ExtrapolationHook("attention", rule, store, remember), "test"
    )
    return store


def values(*numbers):
    return torch.tensor(numbers).reshape(-1, 1)


@pytest.mark.parametrize(("remember", "third"), [("computed", 9 + 0.5 * 5), ("every", 11.5 + 0.5 * 2.5)])
def test_goes_on_from_the_last_two(remember, third):
    module, rule = Square(), Rule()
    hooked(module, rule, remember)
    module(values(2.0))
    module(values(3.0))
    rule.extrapolates = True
    assert module(values(100.0)).item() == 9 + 0.5 * (9 - 4)
    assert module(values(100.0)).item() == third
    assert module.calls == 2


def test_one_output_is_repeated():
    module, rule = Square(), Rule()
    hooked(module, rule)
    module(values(3.0))
    rule.extrapolates = True
    assert module(values(100.0)).item() == 9


def test_all_tensors_of_a_tuple():
    module, rule = Both(), Rule()
    hooked(module, rule)
    module(values(2.0))
    module(values(3.0))
    rule.extrapolates = True
    assert [one.item() for one in module(values(100.0))] == [11.5, -3.5]


def test_branches_of_a_batch_are_kept_apart():
    module, rule = Square(), Rule(running=("uncond", "cond"), kept=("cond", "uncond"))
    hooked(module, rule)
    module(values(1.0, 2.0))
    rule.running = ("cond",)
    module(values(3.0))
    rule.extrapolates = True
    assert module(values(100.0)).item() == 9 + 0.5 * (9 - 4)
    rule.running = ("uncond", "cond")
    assert module(values(100.0, 100.0)).flatten().tolist() == [1, 11.5]


def test_a_branch_that_is_not_needed_is_not_held():
    module, rule = Square(), Rule(running=("uncond", "cond"))
    store = hooked(module, rule)
    module(torch.ones(2, 256))
    assert store.nbytes() == 256 * 4
    module(torch.ones(2, 256))
    assert store.nbytes() == 2 * 256 * 4
