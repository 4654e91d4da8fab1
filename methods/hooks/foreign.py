"""A method in force through hooks that another library attaches: ours begin and end the calls, theirs do the work."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from diffusers.hooks.hooks import HookRegistry
from torch import nn

from methods.base import NothingHookedError
from methods.families.base import Family
from methods.hooks.applied import AppliedHooks
from methods.hooks.store import TensorStore


@dataclass(frozen=True, slots=True)
class _Before:
    """All instance attributes of a module, its children in order, and the hooks that its registry held."""

    module: nn.Module
    attributes: dict[str, Any]
    children: dict[str, nn.Module | None]
    hooks: tuple[dict[str, Any], list[str], list[Any]] | None

    @classmethod
    def of(cls, module: nn.Module) -> _Before:
        registry = vars(module).get("_diffusers_hook")
        hooks = None
        if isinstance(registry, HookRegistry):
            hooks = (dict(registry.hooks), list(registry._hook_order), list(registry._fn_refs))
        return cls(module, dict(vars(module)), dict(module._modules), hooks)

    def restore(self) -> None:
        own = vars(self.module)
        for name in own.keys() - self.attributes.keys():
            del own[name]
        own.update(self.attributes)
        if list(self.module._modules.items()) != list(self.children.items()):
            self.module._modules.clear()
            self.module._modules.update(self.children)
        if self.hooks is not None:
            registry: Any = own["_diffusers_hook"]
            registry.hooks, registry._hook_order, registry._fn_refs = (
                dict(self.hooks[0]),
                list(self.hooks[1]),
                list(self.hooks[2]),
            )


class ForeignHooks(AppliedHooks):
    """A method that lets a library hook the transformer its own way. Subclasses say how in `attach_foreign`.

    Before that, every attribute of every module of the transformer is noted, and leaving the context puts all of them
    back, whatever the library's own clean-up would have left behind.
    """

    def __init__(self, pipeline: Any, family: Family) -> None:
        """Prepare; see `AppliedHooks`."""
        super().__init__(pipeline, family, root_only=True)
        self._modules_before: list[_Before] = []

    @abstractmethod
    def attach_foreign(self) -> int:
        """Let the library attach its hooks; how many modules it hooked."""

    @abstractmethod
    def held(self) -> Any:
        """What the library's hooks keep now: a nest of tuples, lists and dicts of tensors; empty once they are gone."""

    def attach_hooks(self) -> None:
        """Let the library attach its hooks.

        Raises:
            NothingHookedError: it hooked no module.
        """
        self._modules_before = [_Before.of(module) for module in self.transformer.modules()]
        if self.attach_foreign() == 0:
            raise NothingHookedError(
                f"{type(self).__name__.lstrip('_')} matched no module of {type(self.transformer).__name__}"
            )

    def cache_bytes(self) -> int:
        """Bytes of everything the library's hooks keep."""
        counted = TensorStore()
        counted.put("held", self.held())
        return counted.nbytes()

    def _remove(self) -> None:
        for before in self._modules_before:
            before.restore()
        self._modules_before.clear()
        super()._remove()
