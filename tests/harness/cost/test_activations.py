"""Live memory of a call, followed on the meta device."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from harness.cost.activations import peak_live_bytes

BYTES = 4 * 1000


class Chain(nn.Module):
    """Keeps its input and one more tensor alive at a time, and two while one is made of the other."""

    def forward(self, x):
        y = x + 1
        for _ in range(5):
            y = y * 2
        return y


class Keeping(nn.Module):
    def forward(self, x):
        kept = [x + number for number in range(5)]
        return kept[0] + kept[1]


class Attending(nn.Module):
    def forward(self, x):
        return functional.scaled_dot_product_attention(x, x, x)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1000, 1000, device="meta")

    def forward(self, x):
        return self.layer(x)


@torch.no_grad()
def test_what_is_let_go_no_longer_counts():
    arguments = {"x": torch.empty(1000, device="meta")}
    assert peak_live_bytes(Chain(), arguments) == 3 * BYTES
    assert peak_live_bytes(Keeping(), arguments) == 7 * BYTES


@torch.no_grad()
def test_attention_holds_no_scores():
    x = torch.empty(1, 2, 512, 16, device="meta")
    assert peak_live_bytes(Attending(), {"x": x}) == 2 * x.numel() * 4


@torch.no_grad()
def test_weights_are_left_out():
    assert peak_live_bytes(Linear(), {"x": torch.empty(1, 1000, device="meta")}) == 2 * BYTES


@torch.no_grad()
def test_views_hold_nothing_of_their_own():
    class Views(nn.Module):
        def forward(self, x):
            return x.view(10, 100)[2:].t()

    assert peak_live_bytes(Views(), {"x": torch.empty(1000, device="meta")}) == BYTES
