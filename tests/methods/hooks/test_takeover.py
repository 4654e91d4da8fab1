"""Blocks that were handed over run when the stand-in calls them, and only then."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.hooks.hooks import HookRegistry
from torch import Tensor, nn

from methods.hooks.takeover import Takeover, TakeoverHook


class Block(nn.Module):
    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount, self.calls = amount, 0

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return hidden_states + self.amount * scale, encoder_hidden_states - self.amount * scale


def hand_over(blocks: list[Block], run: Any) -> None:
    shared = Takeover(("hidden_states", "encoder_hidden_states"), run)
    for index, block in enumerate(blocks):
        registry = HookRegistry.check_if_exists_or_initialize(block)
        registry.register_hook(TakeoverHook(shared, block, first=index == 0), "takeover")


def all_blocks(blocks: list[Block], text: Tensor, *, keywords: bool) -> tuple[Tensor, Tensor]:
    hidden = torch.zeros(2)
    for block in blocks:
        if keywords:
            hidden, text = block(scale=2.0, encoder_hidden_states=text, hidden_states=hidden)
        else:
            hidden, text = block(hidden, text, 2.0)
    return hidden, text


@pytest.mark.parametrize("keywords", [True, False])
def test_what_the_stand_in_returns_is_what_the_last_block_returns(keywords):
    blocks = [Block(1.0), Block(10.0), Block(100.0)]

    def only_the_ends(hidden_states: Tensor, encoder_hidden_states: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        hidden, text = blocks[0](hidden_states, encoder_hidden_states, scale)
        hidden, text = blocks[2](hidden, text, scale)
        return hidden, text

    hand_over(blocks, only_the_ends)
    hidden, text = all_blocks(blocks, torch.zeros(3), keywords=keywords)
    assert hidden.tolist() == [202.0] * 2
    assert text.tolist() == [-202.0] * 3
    assert [block.calls for block in blocks] == [1, 0, 1]


def test_after_a_failure_the_next_call_is_handed_over_again():
    blocks = [Block(1.0), Block(10.0)]
    attempts = []

    def run(hidden_states: Tensor, encoder_hidden_states: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        attempts.append(scale)
        if len(attempts) == 1:
            raise RuntimeError("interrupted")
        return hidden_states, encoder_hidden_states

    hand_over(blocks, run)
    with pytest.raises(RuntimeError, match="interrupted"):
        all_blocks(blocks, torch.zeros(1), keywords=False)
    hidden, _ = all_blocks(blocks, torch.zeros(1), keywords=False)
    assert hidden.tolist() == [0.0, 0.0]
    assert [block.calls for block in blocks] == [0, 0]
