"""Modules of a method's own, made children of the transformer while the method is in force."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from methods.base import MethodError
from methods.hooks.applied import AppliedHooks
from methods.hooks.modules import TypedHook


class OwnModulesHook(TypedHook):
    """Holds children in the transformer from being registered to being removed; changes nothing else."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        """`modules` by the attributes under which the transformer gets them."""
        super().__init__()
        self._modules = dict(modules)

    def initialize_hook(self, module: nn.Module) -> nn.Module:
        """Diffusers calls this as the hook is registered."""
        for name in self._modules:
            if hasattr(module, name):
                raise MethodError(f"{type(module).__name__} has a {name!r} of its own; name the method's otherwise")
        for name, own in self._modules.items():
            module.add_module(name, own)
        return module

    def deinitalize_hook(self, module: nn.Module) -> nn.Module:
        """Diffusers calls this, spelt like this, as the hook is removed."""
        for name in self._modules:
            del module._modules[name]
        return module


def attach_own_module(applied: AppliedHooks, name: str, module: nn.Module) -> None:
    """Make `module` a child of the transformer until the method is left.

    There it moves with the transformer's weights, and what it computes within the transformer's `forward` is counted
    like that of any other child.

    Raises:
        MethodError: the transformer has something of that name.
    """
    attach_own_modules(applied, {name: module})


def attach_own_modules(applied: AppliedHooks, modules: Mapping[str, nn.Module]) -> None:
    """Make several modules children of the transformer at once; see `attach_own_module`.

    Raises:
        MethodError: the transformer has something of one of these names.
    """
    applied._attach(applied.transformer, OwnModulesHook(modules))
