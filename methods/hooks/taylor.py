"""A tensor's past at computed steps, and what a Taylor polynomial through it says of a later step."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from methods.hooks.controller import Controller
from methods.hooks.modules import TypedHook
from methods.hooks.store import TensorStore


@dataclass(frozen=True, slots=True)
class TaylorExpansion:
    """How outputs are remembered: up to differences of order `max_order`, in `dtype` (None: the output's own)."""

    max_order: int
    dtype: torch.dtype | None


def differences(value: Tensor, before: tuple[Tensor, ...], gap: int, expansion: TaylorExpansion) -> tuple[Tensor, ...]:
    """The factors of a new expansion: the value, and its nested differences to the last one's factors.

    `before` are the factors made `gap` steps earlier, or empty. Difference i + 1 is how difference i has changed since
    then, divided by `gap`, so there is one more of them each time until there are `max_order`.
    """
    factors = [value if expansion.dtype is None else value.to(expansion.dtype)]
    for old in before[: expansion.max_order]:
        changed = factors[-1] - old
        factors.append(changed if gap == 1 else changed.div_(gap))
    return tuple(factors)


def extrapolate(factors: tuple[Tensor, ...], offset: int, dtype: torch.dtype) -> Tensor:
    """The polynomial of these factors `offset` steps after they were made, as a tensor of type `dtype`."""
    value = factors[0]
    for order, factor in enumerate(factors[1:], start=1):
        value = torch.add(value, factor, alpha=offset**order / math.factorial(order))
    return value.to(dtype)


@dataclass(frozen=True, slots=True)
class _Form:
    """When an output was computed and what it looked like, beside its factors in the store."""

    step_index: int
    dtypes: tuple[torch.dtype, ...]
    bare: bool


class TaylorSeries:
    """Remembers what something returned at computed steps, for each branch, and extrapolates it at others.

    What is remembered may be a tensor or a tuple of tensors.
    """

    def __init__(
        self,
        name: str,
        expansion: TaylorExpansion,
        differs: Callable[[], bool],
        controller: Controller,
        store: TensorStore,
    ) -> None:
        """`differs` is asked at each computed step: whether to form differences, or begin again from the value."""
        self._name, self._expansion, self._differs = name, expansion, differs
        self._controller, self._store = controller, store
        self._forms: dict[Hashable, _Form] = {}

    def _key(self) -> tuple[str, str]:
        return (self._name, self._controller.call.branch)

    def prepare(self) -> None:
        """Before a computation: let go of what no difference will be formed with."""
        if self._expansion.max_order == 0 or not self._differs():
            self._store.drop(self._key())

    def remember(self, output: Any) -> None:
        """After a computation: what it returned."""
        key, step = self._key(), self._controller.call.step_index
        values: tuple[Tensor, ...] = (output,) if isinstance(output, Tensor) else tuple(output)
        known = key in self._store
        before: tuple[tuple[Tensor, ...], ...] = self._store.get(key) if known else ((),) * len(values)
        gap = step - self._forms[key].step_index if known else 1
        self._store.put(
            key,
            tuple(differences(value, old, gap, self._expansion) for value, old in zip(values, before, strict=True)),
        )
        self._forms[key] = _Form(step, tuple(value.dtype for value in values), isinstance(output, Tensor))

    def predict(self) -> Any:
        """What the computation would return now, in the form in which it did."""
        key = self._key()
        factors: tuple[tuple[Tensor, ...], ...] = self._store.get(key)
        form = self._forms[key]
        offset = self._controller.call.step_index - form.step_index
        values = tuple(extrapolate(one, offset, dtype) for one, dtype in zip(factors, form.dtypes, strict=True))
        return values[0] if form.bare else values


class TaylorModuleHook(TypedHook):
    """Returns what a `TaylorSeries` says in place of running a module."""

    def __init__(self, series: TaylorSeries, predicts: Callable[[], bool]) -> None:
        """`predicts` is asked at each call of the module."""
        super().__init__()
        self._series, self._predicts = series, predicts

    def new_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """Runs in place of the module."""
        if self._predicts():
            return self._series.predict()
        self._series.prepare()
        output = self.original(*args, **kwargs)
        self._series.remember(output)
        return output
