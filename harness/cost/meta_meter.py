"""The FLOP meter for transformers without weights: what is known already need not even be run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from torch import nn

from harness.cost.outputs import Outputs, signature
from harness.measure.flops import FlopMeter
from methods.families.base import Family


class MetaFlopMeter(FlopMeter):
    """Counts a transformer on the meta device, where only shapes are computed.

    A part (see `FlopMeter`) that was run whole with arguments of the same layout and values is not run again: its cost
    is added and fresh empty tensors laid out like its outputs are returned. That is exact, since on the meta device a
    part can compute nothing but shapes. A part below which a method has replaced something is always run, so that the
    method's code decides; call `look` after a method was applied and after it was taken off.
    """

    def __init__(self, transformer: nn.Module, family: Family) -> None:
        """Prepare to count; every parameter must be on the meta device.

        Raises:
            ValueError: one is not, so that values would be lost.
        """
        super().__init__(transformer, family)
        real = next((name for name, value in transformer.named_parameters() if not value.is_meta), None)
        if real is not None:
            raise ValueError(f"parameter {real} is not on the meta device; count this model with FlopMeter")
        self._below = {part: tuple(m for m in part.modules() if m is not part) for part in (*self._parts, transformer)}
        self._clean: dict[nn.Module, tuple[Any, ...]] = {}
        self._must_run: set[nn.Module] = set()
        self._run_all = False

    def __enter__(self) -> Self:
        """Begin to count."""
        super().__enter__()
        self._clean = {module: _looks(module) for module in self._root.modules()}
        self._must_run = set()
        return self

    def look(self) -> None:
        """See where a method has hooks or other replacements now."""
        touched = {module for module in self._root.modules() if self._clean.get(module) != _looks(module)}
        self._must_run = {part for part, below in self._below.items() if not touched.isdisjoint(below)}
        if not self._children.issuperset(self._root.children()):
            self._must_run.add(self._root)

    @contextmanager
    def running_all(self) -> Iterator[None]:
        """While entered, every part is run, whatever is known."""
        self._run_all = True
        try:
            yield
        finally:
            self._run_all = False

    def _counted(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        run = super()._counted(module, forward)
        known: dict[Any, tuple[int, Outputs]] = {}

        @functools.wraps(forward)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self._run_all or module in self._must_run:
                return run(*args, **kwargs)
            key = signature((args, kwargs))
            # While another part is being measured its counter has to see the work.
            if key in known and self._counter is None:
                flops, outputs = known[key]
                self._total += flops
                return outputs.fresh((args, kwargs))
            before = self._total
            output = run(*args, **kwargs)
            known[key] = self._total - before, Outputs.of(output, (args, kwargs))
            return output

        return counted


def _looks(module: nn.Module) -> tuple[Any, ...]:
    """What a method may have replaced on a module, by identity."""
    own = vars(module)
    return (
        id(own.get("forward")),
        id(own.get("processor")),
        len(module._forward_hooks),
        len(module._forward_pre_hooks),
    )
