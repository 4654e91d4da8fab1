"""A frozen model whose block stack a predictor may stand in for: what DisCa's training calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from diffusers.hooks.hooks import HookRegistry
from torch import Tensor, nn

from methods.base import MethodError
from methods.families.base import Family
from methods.students.predicted_stack import PredictedStack
from methods.training.discriminator import tapped

_HOOK = "disca_predictor_training"


@dataclass(frozen=True, slots=True)
class Point:
    """Where a model is asked: for the step from `t` to `r` of `latents` that are on the way at `t`.

    `t`, `r` and `guidance`, for students that take it, are `(batch,)`; `arguments` are the transformer's others.
    """

    latents: Tensor
    t: Tensor
    r: Tensor
    arguments: Mapping[str, Any]
    guidance: Tensor | None = None

    def moved(self, latents: Tensor, t: Tensor, r: Tensor) -> Self:
        """The same conditions at another place."""
        return type(self)(latents, t, r, self.arguments, self.guidance)


class PredictedModel:
    """Calls a frozen model whole, or with a predictor in the place of its stack. One call runs at a time."""

    def __init__(self, family: Family, transformer: nn.Module, velocity: Callable[[Point], Tensor]) -> None:
        """`velocity` calls `transformer`; hooks are on that only within `installed`."""
        self.blocks: Sequence[nn.Module] = [block for depth in family.stack(transformer) for block in depth]
        self._streams, self._velocity = family.block_streams, velocity
        self._predictor: Callable[..., Any] | None = None
        self._given: tuple[Tensor, ...] = ()
        self._kept: tuple[Tensor, ...] = ()

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """While entered, the blocks have the hooks that `compute` and `predict` need."""
        stack = PredictedStack(
            self.blocks,
            self._streams,
            predicts=lambda: self._predictor is not None,
            predict=self._predict,
            keep=self._keep,
            release=self._release,
        )
        registries = []
        try:
            for block, hook in stack.hooks():
                registry = HookRegistry.check_if_exists_or_initialize(block)
                registry.register_hook(hook, _HOOK)
                registries.append(registry)
            yield self
        finally:
            for registry in registries:
                registry.remove_hook(_HOOK, recurse=False)
            self._release()

    def compute(self, point: Point) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The whole model: its velocity, and the tokens that its last block returned."""
        velocity = self._velocity(point)
        kept, self._kept = self._kept, ()
        return velocity, kept

    def predict(self, predictor: nn.Module, cached: tuple[Tensor, ...], point: Point) -> Tensor:
        """The velocity with `predictor` in the place of the stack, given what that returned elsewhere."""
        self._predictor, self._given = predictor, cached
        try:
            return self._velocity(point)
        finally:
            self._predictor, self._given = None, ()

    def features(self, point: Point, depths: Sequence[int]) -> list[Tensor]:
        """What the blocks at `depths` return of the video's tokens, each `(batch, tokens, width)`."""
        with tapped([self.blocks[depth] for depth in depths]) as features:
            self._velocity(point)
        self._release()
        return features

    def _predict(self, *args: Any, **kwargs: Any) -> Any:
        if self._predictor is None:
            raise MethodError("a predictor was asked for outside of PredictedModel.predict")
        return self._predictor(self._given, *args, **kwargs)

    def _keep(self, tokens: tuple[Tensor, ...]) -> None:
        self._kept = tokens

    def _release(self) -> None:
        self._kept = ()
