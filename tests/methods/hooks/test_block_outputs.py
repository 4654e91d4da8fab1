"""Block outputs: which are handed on, and what runs when a call begins behind a block."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.families.wan import Wan
from methods.hooks import AppliedHooks
from methods.hooks.block_outputs import BlockOutputs


class Pair(nn.Module):
    """A block with two streams."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale, self.calls = scale, 0

    def forward(self, hidden_states, temb, encoder_hidden_states):
        self.calls += 1
        return hidden_states * self.scale, encoder_hidden_states + self.scale


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Pair(scale) for scale in (2.0, 3.0, 5.0, 7.0, 11.0))

    def forward(self, hidden, text):
        for block in self.blocks:
            hidden, text = block(hidden, None, encoder_hidden_states=text)
        return hidden + text


class Scheduler:
    order = 1
    timesteps = torch.tensor((900.0, 600.0, 300.0))


class Pipeline:
    def __init__(self) -> None:
        self.transformer, self.scheduler = Denoiser(), Scheduler()


class Paired(Wan):
    """Two logical blocks of two modules, and one of one."""

    block_streams = ("hidden_states", "encoder_hidden_states")

    def branch(self, context_name):
        return "both"

    def stack(self, transformer):
        first, second, third, fourth, fifth = transformer.blocks
        return ((first, second), (third, fourth), (fifth,))


class Remembering(AppliedHooks):
    start_behind: int | None = None
    block_ids = (0, 1)

    def attach_hooks(self) -> None:
        self.received: list[tuple[int, list[float]]] = []
        self.kept: dict[int, tuple] = {}
        stack = self.family.stack(self.transformer)
        streams = self.family.block_streams
        outputs = BlockOutputs(self.block_ids, streams, lambda: self.start_behind, lambda i: self.kept[i], self._take)
        for module, hook in outputs.hooks(stack):
            self._attach(module, hook)

    def _take(self, block, outputs):
        self.received.append((block, [float(value) for value in outputs]))
        self.kept[block] = outputs


@pytest.fixture
def paired() -> Pipeline:
    return Pipeline()


def test_outputs_of_the_chosen_blocks_are_handed_on_in_each_call(paired):
    with Remembering(paired, Paired()).install() as applied:
        paired.transformer(torch.tensor(1.0), torch.tensor(0.0))
        assert applied.received == [(0, [6.0, 5.0]), (1, [210.0, 17.0])]


@pytest.mark.parametrize(("behind", "runs", "hidden"), [(0, [1, 1, 2, 2, 2], 6), (1, [1, 1, 1, 1, 2], 210)])
def test_a_call_begins_behind_a_block_with_its_remembered_output(paired, behind, runs, hidden):
    with Remembering(paired, Paired()).install() as applied:
        first = paired.transformer(torch.tensor(1.0), torch.tensor(0.0))
        applied.received.clear()
        applied.start_behind = behind
        again = paired.transformer(torch.tensor(1000.0), torch.tensor(1000.0))
    assert again == first
    assert [block.calls for block in paired.transformer.blocks] == runs
    # Blocks that ran are still handed on; those passed over must not be, or garbage would be remembered.
    assert [block for block, _ in applied.received] == [1][behind:]
    assert applied.kept[behind][0] == hidden


def test_blocks_behind_the_last_chosen_one_have_no_hook(paired):
    with Remembering(paired, Paired()).install():
        hooked = [vars(block).get("_diffusers_hook") is not None for block in paired.transformer.blocks]
    assert hooked == [True, True, True, True, False]
