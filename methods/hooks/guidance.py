"""Work on whole transformer calls across the branches of classifier-free guidance.

A method that replaces calls reads the sample in what a transformer returns, makes one from something else, and in a
family that batches both branches runs the conditional half alone. Nothing here knows what a method does with them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from methods.base import Branch, MethodError
from methods.families.base import Family

OutputForm = Callable[[Tensor], Any]
"""Makes what a transformer returns of a sample."""


def sample_of(output: Any) -> Tensor:
    """The sample in what a transformer returned: bare, alone in a tuple, or the field `sample` of an output object.

    Raises:
        MethodError: there is none, or more beside it, which a replaced call would lose.
    """
    if isinstance(output, Tensor):
        return output
    sample = output[0] if isinstance(output, (tuple, list)) and len(output) == 1 else getattr(output, "sample", None)
    if not isinstance(sample, Tensor):
        raise MethodError(
            f"the transformer returned {type(output).__name__} with no single sample; replace no whole calls"
        )
    return sample


def form_of(output: Any) -> OutputForm:
    """How to return another sample the way `output` returned its own; keeps none of its tensors alive.

    Raises:
        MethodError: as `sample_of`.
    """
    sample_of(output)
    if isinstance(output, Tensor):
        return lambda sample: sample
    if isinstance(output, (tuple, list)):
        return lambda sample: (sample,)
    kind: Any = type(output)
    return lambda sample: kind(sample=sample)


def is_guided(family: Family, transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call of a `batched` family holds both branches, that is, whether its batch is even.

    A pipeline that does not guide passes one branch in the same way; with one video a call its batch is 1.
    """
    if family.guidance != "batched":
        return False
    bound = _bound(transformer, args, kwargs)
    held = (bound.get(name) for name in family.batched_arguments)
    return all(value.shape[0] % 2 == 0 for value in held if isinstance(value, Tensor))


def conditional_half(
    family: Family, transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a batched call with the conditional branch alone, passed the way they came.

    Halved along their first dimension are the family's `batched_arguments` and nothing else: rotary tables, for one,
    have no batch.

    Raises:
        MethodError: the family does not batch, or none of its batched arguments is there.
    """
    halved = 0

    def half(name: str, value: Any) -> Any:
        nonlocal halved
        if name not in family.batched_arguments or not isinstance(value, Tensor):
            return value
        halved += 1
        return half_of(family, value, "cond")

    positional = tuple(half(name, value) for name, value in zip(_names(transformer, args), args, strict=True))
    named = {name: half(name, value) for name, value in kwargs.items()}
    if not halved:
        raise MethodError(f"{family.name} has no batched argument in this call, so it cannot be halved")
    return positional, named


def half_of(family: Family, value: Tensor, branch: Branch) -> Tensor:
    """One branch's half of a batched tensor, batch first: a view of it.

    Raises:
        MethodError: the family does not batch, or the batch is odd.
    """
    order = _order(family)
    if value.shape[0] % 2:
        raise MethodError(f"a batch of {value.shape[0]} does not hold two branches; was the pipeline guided?")
    return value.chunk(2, dim=0)[order.index(branch)]


def join_halves(family: Family, cond: Tensor, uncond: Tensor) -> Tensor:
    """Both branches, batch first, in one tensor in the family's order.

    Raises:
        MethodError: the family does not batch.
    """
    halves: dict[Branch, Tensor] = {"cond": cond, "uncond": uncond}
    return torch.cat([halves[branch] for branch in _order(family)], dim=0)


def _order(family: Family) -> tuple[Branch, Branch]:
    if family.batched_branches is None:
        raise MethodError(f"{family.name} does not batch the branches of guidance")
    return family.batched_branches


def _names(transformer: nn.Module, args: tuple[Any, ...]) -> list[str]:
    names = list(inspect.signature(type(transformer).forward).parameters)[1:]
    return names[: len(args)]


def _bound(transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(_names(transformer, args), args, strict=True)), **kwargs}
