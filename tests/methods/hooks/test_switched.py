"""Ranges that are in force in a part of the steps may overlap, and hold nothing elsewhere."""

from __future__ import annotations

import pytest
import torch

from methods.base import NothingHookedError
from methods.families.wan import Wan
from methods.hooks import AppliedHooks
from methods.hooks.switched import attach_switched_range


class Switched(AppliedHooks):
    """Blocks 0 to 2 or 1 to 3 are cached, by `sides`, and reused at the steps in `reused`."""

    def __init__(self, pipeline, sides, reused):
        super().__init__(pipeline, Wan())
        self.sides, self.reused, self.held = sides, reused, []

    def attach_hooks(self):
        blocks = list(self.transformer.blocks)
        for side, part in (("back", blocks[1:]), ("front", blocks[:3])):
            attach_switched_range(self, side, part, lambda: self.reuse, lambda side=side: self.side == side)

    def begin_call(self, call):
        self.held.append(self.cache_bytes())
        self.side, self.reuse = self.sides[call.step_index], call.step_index in self.reused


RESIDUALS = 2 * 4 * 8 * 24
"""Bytes of one residual of each branch."""


def test_out_of_force_the_blocks_run_as_if_nothing_were_attached(tiny_pipeline, generate):
    pipeline = tiny_pipeline(Wan())
    expected = generate(pipeline, Wan())
    with Switched(pipeline, ["none"] * 6, {1, 2, 3}).install() as applied:
        assert torch.equal(generate(pipeline, Wan()), expected)
        assert applied.cache_bytes() == 0


def test_a_range_lets_go_of_its_residual_as_another_takes_over(tiny_pipeline, generate):
    pipeline = tiny_pipeline(Wan())
    with Switched(pipeline, ["back"] * 2 + ["front"] * 2 + ["none"] * 2, {1, 3}).install() as applied:
        generate(pipeline, Wan())
        assert applied.held[::2] == [0, RESIDUALS, RESIDUALS, RESIDUALS, RESIDUALS, 0]


def test_it_is_the_same_as_a_range_that_is_always_in_force(tiny_pipeline, generate):
    class Plain(Switched):
        def attach_hooks(self):
            self.attach_block_range(list(self.transformer.blocks)[1:], lambda: self.reuse)

    pipeline = tiny_pipeline(Wan())
    videos = []
    for kind in (Switched, Plain):
        with kind(pipeline, ["back"] * 6, {1, 2, 4}).install():
            videos.append(generate(pipeline, Wan()))
    assert torch.equal(*videos)
    assert not torch.equal(videos[0], generate(pipeline, Wan()))


def test_an_empty_range_is_refused(tiny_pipeline):
    class Empty(Switched):
        def attach_hooks(self):
            attach_switched_range(self, "none", [], lambda: False, lambda: True)

    with pytest.raises(NothingHookedError, match="no blocks in range 'none'"):
        Empty(tiny_pipeline(Wan()), [], set()).install()
