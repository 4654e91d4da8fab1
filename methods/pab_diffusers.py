"""Pyramid Attention Broadcast with diffusers' own hooks, as tables that were made with them have it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

from diffusers.hooks import PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast
from torch import nn

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.hooks import Call
from methods.hooks.foreign import ForeignHooks

Identifiers = Literal["blocks", "diffusers"]

_HOOK = "pyramid_attention_broadcast"
"""Name under which diffusers registers its hook."""

_apply: Callable[..., None] = apply_pyramid_attention_broadcast
_Config: Callable[..., Any] = PyramidAttentionBroadcastConfig


@dataclass(frozen=True)
class PabDiffusers(Method):
    """Attention outputs are recomputed once in a number of transformer calls inside a window of timesteps.

    Source: `PyramidAttentionBroadcastConfig` and its hook of diffusers 0.42.1
    (`hooks/pyramid_attention_broadcast.py`), which run here as they are, with their field names; the method is Zhao et
    al., arXiv 2408.12588. MixCache (section 4.1) names this implementation for its row "PAB 8, (100, 800)", which is
    `spatial_attention_block_skip_range=8`.

    Each module has one counter and one cache, and both advance with every call of the transformer, whatever its branch
    of classifier-free guidance. Where a model is called once a branch (Wan, HunyuanVideo 1.5), a range of 8 is
    therefore 4 steps; inside the window an even range computes conditional calls only, and the unconditional ones are
    served the conditional attention. Method `pab` is the same rule with a counter and a cache for each branch.

    `identifiers` says which modules may match: `blocks` is the attention of the family's blocks alone, and attention
    in a list named `temporal_...` is temporal; `diffusers` is what the library takes by default, which is also a text
    refiner's attention (both HunyuanVideos) and which counts temporal attention as spatial where a spatial range is
    given. MixCache does not say whether it narrowed them.

    Differences: the timestep that the window is compared with is a number read once a video, instead of a tensor that
    every module reads from the device; caches stay after the video until the next one begins, so that they can be
    measured, where diffusers drops them at the end of a pipeline or, for DiT, never.
    """

    spatial_attention_block_skip_range: int | None = 2
    temporal_attention_block_skip_range: int | None = None
    cross_attention_block_skip_range: int | None = None
    spatial_attention_timestep_skip_range: tuple[float, float] = (100, 800)
    temporal_attention_timestep_skip_range: tuple[float, float] = (100, 800)
    cross_attention_timestep_skip_range: tuple[float, float] = (100, 800)
    identifiers: Identifiers = "blocks"

    summary: ClassVar[str] = "diffusers' attention broadcast: one counter and cache a module, whatever the branch"
    source: ClassVar[str] = "diffusers 0.42.1; arXiv 2408.12588"

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        ranges = []
        for kind in ("spatial", "temporal", "cross"):
            name = f"{kind}_attention_block_skip_range"
            ranges.append(getattr(self, name))
            if ranges[-1] is not None and ranges[-1] < 1:
                raise ValueError(f"{name} is {ranges[-1]}; give at least 1 (1 computes every call)")
            name = f"{kind}_attention_timestep_skip_range"
            window = tuple(getattr(self, name))
            object.__setattr__(self, name, window)
            if len(window) != 2 or window[0] >= window[1]:
                raise ValueError(f"{name} is {window}; give two timesteps, the lower first")
        if ranges == [None] * 3:
            raise ValueError("every *_attention_block_skip_range is None; give at least one of them")
        if self.identifiers not in get_args(Identifiers):
            raise ValueError(f"identifiers is {self.identifiers!r}; give one of {', '.join(get_args(Identifiers))}")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A range of one call for every kind of attention."""
        return cls(
            spatial_attention_block_skip_range=1,
            temporal_attention_block_skip_range=1,
            cross_attention_block_skip_range=1,
        )

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """All attention, at all timesteps, every second call or third (one that branches do not divide)."""
        return cls(
            spatial_attention_block_skip_range=3,
            temporal_attention_block_skip_range=2,
            cross_attention_block_skip_range=3,
            spatial_attention_timestep_skip_range=(-1, 1001),
            temporal_attention_timestep_skip_range=(-1, 1001),
            cross_attention_timestep_skip_range=(-1, 1001),
        )

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedPabDiffusers(pipeline, family, self).install()

    def library_config(self, block_lists: list[str], current_timestep: Callable[[], float]) -> Any:
        """The library's configuration for a transformer whose lists of blocks have these names."""
        config = _Config(
            spatial_attention_block_skip_range=self.spatial_attention_block_skip_range,
            temporal_attention_block_skip_range=self.temporal_attention_block_skip_range,
            cross_attention_block_skip_range=self.cross_attention_block_skip_range,
            spatial_attention_timestep_skip_range=self.spatial_attention_timestep_skip_range,
            temporal_attention_timestep_skip_range=self.temporal_attention_timestep_skip_range,
            cross_attention_timestep_skip_range=self.cross_attention_timestep_skip_range,
            current_timestep_callback=current_timestep,
        )
        if self.identifiers == "blocks":
            anchored = {name: rf"^{re.escape(name)}\." for name in block_lists}
            temporal = tuple(pattern for name, pattern in anchored.items() if name.startswith("temporal"))
            config.temporal_attention_block_identifiers = temporal
            config.spatial_attention_block_identifiers = tuple(set(anchored.values()) - set(temporal))
            config.cross_attention_block_identifiers = tuple(anchored.values())
        return config


class _AppliedPabDiffusers(ForeignHooks):
    def __init__(self, pipeline: Any, family: Family, method: PabDiffusers) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._hooks: list[Any] = []
        self._kept: list[int] = []

    def attach_foreign(self) -> int:
        names = [name for name, _ in self.family.block_lists(self.transformer)]
        _apply(self.transformer, self._method.library_config(names, lambda: self.controller.call.timestep))
        for module in self.transformer.modules():
            registry = vars(module).get("_diffusers_hook")
            hook = registry.get_hook(_HOOK) if registry is not None else None
            if hook is not None:
                # The end of a pipeline resets it otherwise, and what was held could no longer be measured.
                hook.reset_state = _keep_state
                self._hooks.append(hook)
        return len(self._hooks)

    def begin_call(self, call: Call) -> None:
        self._kept = [id(hook.state.cache) for hook in self._hooks]

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = forward(*args, **kwargs)
        # A hook that computed holds another object now: the old one was alive until it was replaced.
        if any(id(hook.state.cache) == before for hook, before in zip(self._hooks, self._kept, strict=True)):
            self.controller.decide("partial")
        return output

    def held(self) -> Any:
        return tuple(hook.state.cache for hook in self._hooks if hook.state.cache is not None)

    def clear(self) -> None:
        for hook in self._hooks:
            hook.state.reset()

    def _remove(self) -> None:
        super()._remove()
        self._hooks.clear()


def _keep_state(module: nn.Module) -> nn.Module:
    return module
