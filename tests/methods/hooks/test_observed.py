"""The observer hands on what blocks add, and changes nothing."""

from __future__ import annotations

import torch

from methods.families.wan import Wan
from methods.hooks import AppliedHooks
from methods.hooks.observed import attach_block_observer


class Observing(AppliedHooks):
    def __init__(self, pipeline, family, first, last):
        super().__init__(pipeline, family)
        self.slice, self.received = slice(first, last), []

    def attach_hooks(self):
        blocks = [module for block in self.family.stack(self.transformer)[self.slice] for module in block]
        attach_block_observer(self, blocks, lambda residual: self.received.append(residual))


def test_hands_on_what_the_blocks_add_and_leaves_the_video_alone(tiny_pipeline, generate):
    pipeline, inputs, outputs = tiny_pipeline(Wan()), [], []
    expected = generate(pipeline, Wan())
    blocks = pipeline.transformer.blocks
    handles = [
        blocks[1].register_forward_pre_hook(lambda _, args: inputs.append(args[0])),
        blocks[2].register_forward_hook(lambda _, args, output: outputs.append(output)),
    ]
    try:
        with Observing(pipeline, Wan(), 1, 3).install() as applied:
            assert torch.equal(generate(pipeline, Wan()), expected)
            assert len(applied.received) == 12
            for residual, before, after in zip(applied.received, inputs, outputs, strict=True):
                assert torch.equal(residual, after - before)
            assert applied.cache_bytes() == 0
    finally:
        for handle in handles:
            handle.remove()


def test_one_block_is_enough(tiny_pipeline, generate):
    pipeline = tiny_pipeline(Wan())
    with Observing(pipeline, Wan(), 0, 1).install() as applied:
        generate(pipeline, Wan())
        assert len(applied.received) == 12
        assert all(residual.abs().max() > 0 for residual in applied.received)
