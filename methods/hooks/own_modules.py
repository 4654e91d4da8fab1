"""A module of a method's own, made a child of the transformer while the method is in force."""

from __future__ import annotations

from torch import nn

from methods.base import MethodError
from methods.hooks.applied import AppliedHooks
from methods.hooks.modules import TypedHook


class OwnModuleHook(TypedHook):
    """Holds a child in the transformer from being registered to being removed; changes nothing else."""

    def __init__(self, name: str, module: nn.Module) -> None:
        """`name` is the attribute under which the transformer gets `module`."""
        super().__init__()
        self._name, self._module = name, module

    def initialize_hook(self, module: nn.Module) -> nn.Module:
        """Diffusers calls this as the hook is registered."""
        if hasattr(module, self._name):
            raise MethodError(f"{type(module).__name__} has a {self._name!r} of its own; name the method's otherwise")
        module.add_module(self._name, self._module)
        return module

    def deinitalize_hook(self, module: nn.Module) -> nn.Module:
        """Diffusers calls this, spelt like this, as the hook is removed."""
        del module._modules[self._name]
        return module


def attach_own_module(applied: AppliedHooks, name: str, module: nn.Module) -> None:
    """Make `module` a child of the transformer until the method is left.

    There it moves with the transformer's weights, and what it computes within the transformer's `forward` is counted
    like that of any other child.

    Raises:
        MethodError: the transformer has something of that name.
    """
    applied._attach(applied.transformer, OwnModuleHook(name, module))
