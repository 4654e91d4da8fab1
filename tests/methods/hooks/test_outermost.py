"""What stands for everything that is computed."""

from __future__ import annotations

from torch import nn

from methods.families.base import CachedModule
from methods.hooks.outermost import outermost


def test_modules_that_feed_another_one_are_left_out():
    attention, feed_forward, end, other = (nn.Identity() for _ in range(4))
    modules = [
        CachedModule("blocks.0.attn", other, "self_attention"),
        CachedModule("single.0.attn", attention, "self_attention"),
        CachedModule("single.0.proj_out", end, "fused", (attention, feed_forward)),
    ]
    assert [one.name for one in outermost(modules)] == ["blocks.0.attn", "single.0.proj_out"]


def test_without_feeds_all_remain_in_order():
    modules = [CachedModule(f"blocks.{index}.ffn", nn.Identity(), "feed_forward") for index in range(3)]
    assert outermost(modules) == modules
