"""A method in force: its hooks on one transformer, attached and removed as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import torch
from diffusers.hooks.hooks import BaseState, HookRegistry, ModelHook, StateManager
from torch import Tensor, nn

from methods.base import AlreadyAppliedError, Applied, Branch, Decision, NothingHookedError
from methods.families.base import Family, Signal
from methods.hooks.context_parallel import over_ranks
from methods.hooks.controller import Call, Controller
from methods.hooks.modules import BlockHook, BlockRange, Keep, ModuleCacheHook, SignalHook, TypedHook, UnneededHook
from methods.hooks.store import TensorStore

ROOT_HOOK = "acceleration_method"
"""Name of the hook whose presence on a transformer means that a method is in force."""


class _RootHook(TypedHook):
    """Begins and ends every transformer call. Stateful only so that diffusers tells it the cache context."""

    _is_stateful = True

    def __init__(self, applied: AppliedHooks) -> None:
        super().__init__()
        self._applied = applied
        manager: Any = StateManager
        # A direct attribute, because that is where diffusers looks for whom to tell.
        self.contexts = manager(BaseState)

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        try:
            context = self.contexts.context
        except ValueError:
            context = None
        controller = self._applied.controller
        self._applied.begin_call(controller.begin(context))
        output = self._applied.run_call(self.original, args, kwargs)
        controller.end()
        return output

    def reset_state(self, module: nn.Module) -> nn.Module:
        """Diffusers calls this as a pipeline ends; caches stay, to be measured, until the method's own `reset`."""
        self.contexts.reset()
        return module


@dataclass(frozen=True, slots=True)
class _Before:
    """What a module looked like before its first hook."""

    module: nn.Module
    attributes: dict[str, Any]

    @classmethod
    def of(cls, module: nn.Module) -> _Before:
        watched = ("forward", "_diffusers_hook")
        return cls(module, {name: vars(module)[name] for name in watched if name in vars(module)})

    def restore(self) -> None:
        for name in ("forward", "_diffusers_hook"):
            if name in self.attributes:
                vars(self.module)[name] = self.attributes[name]
            else:
                vars(self.module).pop(name, None)


class AppliedHooks(Applied):
    """A method in force through hooks. Subclasses say which in `attach_hooks` and what to do in `begin_call`.

    `install` is all or nothing, and leaving the context removes every trace, whatever happened in between.
    """

    def __init__(self, pipeline: Any, family: Family, *, root_only: bool = False) -> None:
        """Prepare; `root_only` for a method that touches no module below the transformer."""
        self.family = family
        self.transformer = family.transformer(pipeline)
        self.store = TensorStore()
        self.controller = Controller(lambda: family.timesteps(pipeline), family.branch)
        self._root_only = root_only
        self._trace: dict[tuple[int, Branch], Decision] | None = None
        self._attached: list[tuple[HookRegistry, str]] = []
        self._before: dict[int, _Before] = {}

    def attach_hooks(self) -> None:
        """Attach what the method needs below the transformer. Later hooks on one module run around earlier ones."""

    def begin_call(self, call: Call) -> None:
        """Decide what can be decided before the transformer runs."""

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make the transformer's output; a method that replaces whole calls overrides this."""
        return forward(*args, **kwargs)

    def clear(self) -> None:
        """Forget the rule's own state about the last video; tensors in `store` are already gone."""

    def install(self) -> Self:
        """Attach everything, or nothing and raise; see `Method.apply`."""
        registry = vars(self.transformer).get("_diffusers_hook")
        if registry is not None and registry.get_hook(ROOT_HOOK) is not None:
            raise AlreadyAppliedError("a method is in force on this pipeline; leave its context first")
        if getattr(self.transformer, "is_cache_enabled", False):
            raise AlreadyAppliedError("one of diffusers' caches is enabled on this transformer; disable_cache() first")
        try:
            self._attach(self.transformer, _RootHook(self), ROOT_HOOK)
            self.attach_hooks()
            if len(self._attached) == 1 and not self._root_only:
                raise NothingHookedError(
                    f"{type(self).__name__.lstrip('_')} matched no module of {type(self.transformer).__name__}"
                )
            self._forget_child_registries()
        except BaseException:
            self._remove()
            raise
        self.reset()
        return self

    def attach_module_cache(self, name: str, module: nn.Module, reuse: Callable[[], bool]) -> None:
        """Cache a module's output per branch; `reuse` is asked at each of its calls. `name` must be unique."""
        self._attach(module, ModuleCacheHook(name, reuse, self.controller, self.store))

    def attach_unneeded(self, module: nn.Module, reuse: Callable[[], bool]) -> None:
        """Pass over a module whose output only another, reused one reads: it yields uninitialised tensors instead."""
        self._attach(module, UnneededHook(reuse))

    def attach_block_range(
        self,
        blocks: Sequence[nn.Module],
        reuse: Callable[[], bool],
        *,
        keep: Keep = "residual",
    ) -> None:
        """Cache per branch what consecutive blocks do together; `reuse` is asked once a call, at the first block.

        `residual` keeps what they add to their input, `output` what they return. A replaced run lets its input pass
        from block to block, and the last one puts what was cached in place of it or adds it.
        """
        if not blocks:
            raise NothingHookedError(f"{type(self.transformer).__name__} has no blocks in this range")
        name = f"blocks{len(self._attached)}"
        arrive = partial(self.family.arrive, self.transformer, blocks)
        shared = BlockRange(name, self.family.block_streams, arrive, keep, reuse, self.controller, self.store)
        for index, block in enumerate(blocks):
            self._attach(block, BlockHook(shared, block, first=index == 0, last=index == len(blocks) - 1))

    def attach_signal(self, signal: Signal, receive: Callable[[Tensor], None]) -> None:
        """Hand the signal of each call to `receive`. Attach after block ranges, so that it is read before them."""
        self._attach(signal.module, SignalHook(signal, receive))

    def reset(self) -> None:
        """Forget everything about the last video."""
        self.store.clear()
        self.controller.reset()
        self.clear()

    def decisions(self) -> tuple[Decision, ...]:
        """One per transformer call since `reset`; still readable after the context was left."""
        return self.controller.decisions

    def follow(self, trace: Sequence[Decision]) -> None:
        """See `Applied.follow`."""
        self._trace = {(decision.step_index, decision.branch): decision for decision in trace}

    def ratio(self, numerator: Tensor, denominator: Tensor) -> Tensor:
        """Their quotient over the whole video, where each rank of several has measured both on its part of the tokens.

        Every rule that compares what was computed with a threshold goes through this, or its ranks may disagree.
        """
        both = over_ranks(self.transformer, torch.stack([numerator, denominator]))
        return both[0] / both[1]

    def told(self) -> Decision | None:
        """What the trace that is followed says about the call in progress; None where no trace is followed."""
        if self._trace is None:
            return None
        call = self.controller.call
        return self._trace.get((call.step_index, call.branch), Decision(call.step_index, call.branch, "compute"))

    def cache_bytes(self) -> int:
        """Bytes of all cached tensors."""
        return self.store.nbytes()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove every hook and let go of everything cached."""
        self._remove()

    def _attach(self, module: nn.Module, hook: ModelHook, name: str | None = None) -> None:
        self._before.setdefault(id(module), _Before.of(module))
        registry = HookRegistry.check_if_exists_or_initialize(module)
        name = name or f"{ROOT_HOOK}.{len(self._attached)}"
        registry.register_hook(hook, name)
        self._attached.append((registry, name))

    def _remove(self) -> None:
        # Other hooks a registry had before stay linked through `remove_hook`; the attributes are then put back.
        for registry, name in reversed(self._attached):
            registry.remove_hook(name, recurse=False)
        self._attached.clear()
        for before in reversed(self._before.values()):
            before.restore()
        self._before.clear()
        self.store.clear()
        self._forget_child_registries()

    def _forget_child_registries(self) -> None:
        # The list of descendants to tell the cache context to is cached by diffusers and does not notice changes.
        for module in self.transformer.modules():
            registry = vars(module).get("_diffusers_hook")
            if registry is not None:
                registry._child_registries_cache = None
