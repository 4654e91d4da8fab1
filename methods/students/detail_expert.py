"""DCM's detail expert: low-rank additions to a transformer's attention, and outer modules of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.hooks.hooks import HookRegistry
from torch import Tensor, nn

from methods.families.base import Family
from methods.hooks.modules import TypedHook
from methods.students.low_rank import LowRank, targets

_HOOK = "dcm_detail_expert_training"


@dataclass(frozen=True, slots=True)
class DetailConfig:
    """Rank and alpha of the additions; Vchitect/DCM@e7e6cac, `inference_wan.py`: 128 and 256."""

    rank: int = 128
    alpha: float = 256.0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.rank < 1 or self.alpha <= 0:
            raise ValueError(f"rank is {self.rank} and alpha {self.alpha}; give at least 1 and more than 0")


class DetailExpert(nn.Module):
    """What turns the semantic expert, a whole transformer, into the detail expert.

    `low_rank` has an addition for each attention projection, under that one's name; `own` a module in the place of each
    of the family's `detail_modules`. It is no part of the transformer and is never called itself: `hooks` puts it in.
    """

    def __init__(self, family: Family, transformer: nn.Module, config: DetailConfig) -> None:
        """For `transformer`, on its device and in its types. Weights in `own` are arbitrary until `start` or loaded.

        Raises:
            ValueError: no detail expert is known for the family.
        """
        super().__init__()
        if not family.detail_modules:
            raise ValueError(f"no detail expert is known for {family.name}; see Family.detail_modules")
        self.low_rank = nn.ModuleDict()
        for name, linear in targets(transformer):
            _put(self.low_rank, name, LowRank(linear, config.rank, config.alpha))
        self.own = nn.ModuleDict(_made_like(transformer, family.detail_modules))

    def start(self, transformer: nn.Module) -> None:
        """Begin as the transformer is: additions add nothing anyway, and own modules get its weights."""
        for name, own in self.own.items():
            own.load_state_dict(transformer.get_submodule(name).state_dict())

    def parts(self) -> Iterator[tuple[str, nn.Module]]:
        """All that is called, by the name of the transformer's module it is called with or in place of."""
        for name, module in self.low_rank.named_modules():
            if isinstance(module, LowRank):
                yield name, module
        yield from self.own.items()

    def hooks(self, transformer: nn.Module, active: Callable[[], bool]) -> Iterator[tuple[nn.Module, TypedHook]]:
        """A hook for each module of the transformer that this is beside; `active` is asked at each of their calls."""
        for name, part in self.parts():
            yield transformer.get_submodule(name), _PartHook(part, active, adds=isinstance(part, LowRank))

    @contextmanager
    def installed(self, transformer: nn.Module) -> Iterator[None]:
        """While entered, calls of the transformer are the detail expert's."""
        registries = []
        try:
            for module, hook in self.hooks(transformer, lambda: True):
                registry = HookRegistry.check_if_exists_or_initialize(module)
                registry.register_hook(hook, _HOOK)
                registries.append(registry)
            yield
        finally:
            for registry in registries:
                registry.remove_hook(_HOOK, recurse=False)


class _PartHook(TypedHook):
    """Adds what a part makes of a module's input to the module's output, or calls the part in its place."""

    def __init__(self, part: nn.Module, active: Callable[[], bool], *, adds: bool) -> None:
        super().__init__()
        self._part, self._active, self._adds = part, active, adds

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not self._active():
            return self.original(*args, **kwargs)
        if not self._adds:
            return self._part(*args, **kwargs)
        output: Tensor = self.original(*args, **kwargs)
        return output + self._part(*args, **kwargs)


def _put(tree: nn.ModuleDict, name: str, module: nn.Module) -> None:
    """Put a module under a dotted name, making what is between."""
    *path, last = name.split(".")
    for part in path:
        if part not in tree:
            tree[part] = nn.ModuleDict()
        below = tree[part]
        assert isinstance(below, nn.ModuleDict)
        tree = below
    tree[last] = module


def _made_like(transformer: nn.Module, names: tuple[str, ...]) -> Mapping[str, nn.Module]:
    """Modules such as a transformer of this configuration has under `names`, its devices and types, without weights.

    Made anew rather than copied: what is in the transformer may carry hooks and counters that are not to be doubled.
    """
    like: Any = transformer
    with torch.device("meta"):
        empty: nn.Module = type(like).from_config(like.config)
    made = {}
    for name in names:
        module, original = empty.get_submodule(name), transformer.get_submodule(name)
        for (_, parameter), (_, there) in zip(module.named_parameters(), original.named_parameters(), strict=True):
            parameter.data = parameter.data.to(there.dtype)
        made[name] = module.to_empty(device=next(original.parameters()).device)
    return made
