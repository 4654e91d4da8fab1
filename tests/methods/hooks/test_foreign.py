"""Whatever a library does to a transformer, leaving puts everything back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.hooks.hooks import HookRegistry, ModelHook
from torch import nn

from methods.base import NothingHookedError
from methods.families.wan import Wan
from methods.hooks.foreign import ForeignHooks


class Doubling(ModelHook):
    def post_forward(self, module: nn.Module, output: Any) -> Any:
        return output * 2


class Careless(ForeignHooks):
    """A library that never cleans up: it hooks, replaces, adds and reorders."""

    hooked = 1
    fails = False

    def attach_foreign(self) -> int:
        block = self.transformer.blocks[1]
        HookRegistry.check_if_exists_or_initialize(block.ffn).register_hook(Doubling(), "careless")
        block.attn1.forward = lambda *args, **kwargs: torch.zeros(())
        block.mark = object()
        blocks = self.transformer._modules.pop("blocks")
        self.transformer._modules["blocks"] = blocks
        self.cached = torch.zeros(3)
        if self.fails:
            raise RuntimeError("the library")
        return self.hooked

    def held(self) -> Any:
        return {"one": [self.cached, self.cached[:1]], "two": None}


@pytest.fixture
def pipeline():
    return Wan().tiny(3)


def order_of_children(pipeline: Any) -> list[str]:
    return [name for name, _ in pipeline.transformer.named_children()]


def test_leaving_restores_attributes_children_and_registries(pipeline, attributes_of):
    feed_forward = pipeline.transformer.blocks[1].ffn
    own = Doubling()
    HookRegistry.check_if_exists_or_initialize(feed_forward).register_hook(own, "own")
    before, order = attributes_of(pipeline.transformer), order_of_children(pipeline)
    with Careless(pipeline, Wan()).install():
        assert attributes_of(pipeline.transformer) != before
        assert order_of_children(pipeline) != order
        assert feed_forward._diffusers_hook.get_hook("careless") is not None
    assert attributes_of(pipeline.transformer) == before
    assert order_of_children(pipeline) == order
    assert feed_forward._diffusers_hook.hooks == {"own": own}
    assert feed_forward._diffusers_hook._hook_order == ["own"]
    assert len(feed_forward._diffusers_hook._fn_refs) == 1


def test_a_library_that_fails_midway_leaves_nothing(pipeline, attributes_of):
    before = attributes_of(pipeline.transformer)
    applied = Careless(pipeline, Wan())
    applied.fails = True
    with pytest.raises(RuntimeError, match="the library"):
        applied.install()
    assert attributes_of(pipeline.transformer) == before


def test_a_library_that_matches_nothing_is_refused(pipeline, attributes_of):
    before = attributes_of(pipeline.transformer)
    applied = Careless(pipeline, Wan())
    applied.hooked = 0
    with pytest.raises(NothingHookedError, match="Careless matched no module of WanTransformer3DModel"):
        applied.install()
    assert attributes_of(pipeline.transformer) == before


def test_what_the_library_holds_is_counted_once(pipeline):
    with Careless(pipeline, Wan()).install() as applied:
        assert applied.cache_bytes() == 3 * 4
