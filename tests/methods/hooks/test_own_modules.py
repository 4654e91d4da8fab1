"""A method's own module is a child of the transformer while the method is in force, and not a moment longer."""

from __future__ import annotations

import pytest
from torch import nn

from methods.base import MethodError
from methods.families.wan import Wan
from methods.hooks import AppliedHooks
from methods.hooks.own_modules import attach_own_module, attach_own_modules


class WithOwn(AppliedHooks):
    def __init__(self, pipeline, family, name, module, fails=False):
        super().__init__(pipeline, family)
        self._name, self._module, self._fails = name, module, fails

    def attach_hooks(self):
        attach_own_module(self, self._name, self._module)
        if self._fails:
            raise KeyError("after it was attached")


@pytest.fixture
def pipeline(tiny_pipeline):
    return tiny_pipeline(Wan())


def test_is_a_child_while_in_force(pipeline, attributes_of):
    before = attributes_of(pipeline.transformer)
    own = nn.Linear(2, 2)
    with WithOwn(pipeline, Wan(), "own", own).install():
        assert pipeline.transformer.own is own
        assert any(parameter is own.weight for parameter in pipeline.transformer.parameters())
    assert attributes_of(pipeline.transformer) == before


def test_is_taken_back_when_attaching_fails_later(pipeline, attributes_of):
    before = attributes_of(pipeline.transformer)
    with pytest.raises(KeyError):
        WithOwn(pipeline, Wan(), "own", nn.Linear(2, 2), fails=True).install()
    assert attributes_of(pipeline.transformer) == before


def test_does_not_hide_what_the_transformer_has(pipeline, attributes_of):
    before = attributes_of(pipeline.transformer)
    with pytest.raises(MethodError, match="WanTransformer3DModel has a 'proj_out' of its own"):
        WithOwn(pipeline, Wan(), "proj_out", nn.Linear(2, 2)).install()
    assert attributes_of(pipeline.transformer) == before


class WithSeveral(WithOwn):
    def attach_hooks(self):
        attach_own_modules(self, {"own": self._module, self._name: self._module})


def test_several_come_and_go_together(pipeline, attributes_of):
    before, own = attributes_of(pipeline.transformer), nn.Linear(2, 2)
    with WithSeveral(pipeline, Wan(), "another", own).install():
        assert pipeline.transformer.own is pipeline.transformer.another is own
    assert attributes_of(pipeline.transformer) == before
    with pytest.raises(MethodError, match="WanTransformer3DModel has a 'proj_out' of its own"):
        WithSeveral(pipeline, Wan(), "proj_out", own).install()
    assert attributes_of(pipeline.transformer) == before
