"""The meter of models without weights, on a small stack of blocks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.cost.meta_meter import MetaFlopMeter

TOKENS, WIDTH = 5, 8
LINEAR = 2 * TOKENS * WIDTH * WIDTH


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.runs = 0

    def forward(self, hidden):
        self.runs += 1
        return self.second(self.first(hidden)) @ torch.empty(WIDTH, WIDTH, device="meta")


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])

    def forward(self, hidden):
        for block in self.blocks:
            hidden = block(hidden)
        return hidden


class StackFamily:
    def block_lists(self, transformer):
        return [("blocks", transformer.blocks)]


@pytest.fixture
def stack():
    with torch.device("meta"):
        return Stack()


def hidden(tokens=TOKENS):
    return torch.empty(tokens, WIDTH, device="meta")


@torch.no_grad()
def test_known_parts_are_counted_and_not_run(stack):
    with MetaFlopMeter(stack, StackFamily()) as meter:
        stack(hidden())
        assert meter.denoiser_flops() == 6 * LINEAR
        meter.reset()
        assert stack(hidden()).shape == (TOKENS, WIDTH)
        assert meter.denoiser_flops() == 6 * LINEAR
        assert [block.runs for block in stack.blocks] == [1, 1]
        meter.reset()
        stack(hidden(2 * TOKENS))
        assert meter.denoiser_flops() == 12 * LINEAR
        assert [block.runs for block in stack.blocks] == [2, 2]


@torch.no_grad()
def test_a_part_with_something_replaced_below_it_runs_until_that_is_taken_off(stack):
    with MetaFlopMeter(stack, StackFamily()) as meter:
        stack(hidden())
        replaced = stack.blocks[0].first
        counting = vars(replaced)["forward"]
        vars(replaced)["forward"] = lambda hidden: hidden
        meter.look()
        meter.reset()
        stack(hidden())
        stack(hidden())
        assert meter.denoiser_flops() == 2 * 5 * LINEAR
        assert [block.runs for block in stack.blocks] == [3, 1]
        vars(replaced)["forward"] = counting
        meter.look()
        meter.reset()
        stack(hidden())
        assert meter.denoiser_flops() == 6 * LINEAR
        assert [block.runs for block in stack.blocks] == [3, 1]


@torch.no_grad()
@pytest.mark.parametrize("hook", ["register_forward_hook", "register_forward_pre_hook"])
def test_torchs_own_hooks_are_seen(stack, hook):
    with MetaFlopMeter(stack, StackFamily()) as meter:
        stack(hidden())
        handle = getattr(stack.blocks[1].second, hook)(lambda *_: None)
        meter.look()
        stack(hidden())
        assert [block.runs for block in stack.blocks] == [1, 2]
        handle.remove()
        meter.look()
        stack(hidden())
        assert [block.runs for block in stack.blocks] == [1, 2]


@torch.no_grad()
def test_a_child_lent_by_a_method_is_counted_and_not_run_twice(stack):
    class Lending(Stack):
        def forward(self, hidden):
            return self.lent(hidden) if hasattr(self, "lent") else super().forward(hidden)

    with torch.device("meta"):
        stack, lent = Lending(), Block()
    with MetaFlopMeter(stack, StackFamily()) as meter:
        stack(hidden())
        for _ in range(2):
            stack.add_module("lent", lent)
            meter.look()
            meter.reset()
            stack(hidden())
            stack(hidden())
            assert meter.denoiser_flops() == 2 * 3 * LINEAR
            del stack._modules["lent"]
            meter.look()
            meter.reset()
            stack(hidden())
            assert meter.denoiser_flops() == 6 * LINEAR
        # Once each time it is lent: what it costs is let go of with it.
        assert lent.runs == 2


@torch.no_grad()
def test_everything_runs_where_that_is_asked_for(stack):
    with MetaFlopMeter(stack, StackFamily()) as meter:
        stack(hidden())
        with meter.running_all():
            stack(hidden())
        assert [block.runs for block in stack.blocks] == [2, 2]
        stack(hidden())
        assert [block.runs for block in stack.blocks] == [2, 2]
        assert meter.denoiser_flops() == 18 * LINEAR


@torch.no_grad()
def test_what_has_values_is_refused():
    with pytest.raises(ValueError, match=r"blocks\.0\.first\.weight is not on the meta device"):
        MetaFlopMeter(Stack(), StackFamily())
