"""The noise levels a video is sampled at, set for a while: the scheduler's own under some shift, or given ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import diffusers

from methods.base import Sampling
from methods.families.parts.flow_shift import shifted

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers


class GivenSigmas(_diffusers.FlowMatchEulerDiscreteScheduler):  # type: ignore[misc]  # diffusers is not followed
    """The plain Euler solver of a flow, its steps beginning at given noise levels whatever the pipeline asks for.

    A pipeline that asks for fewer steps, as for a warm-up, gets as many from the beginning; its last one ends at 0.
    """

    def __init__(self, sigmas: Sequence[float]) -> None:
        """For `sigmas` in (0, 1], descending; see `Sampling.sigmas`."""
        super().__init__(shift=1.0)
        self._given = tuple(sigmas)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """See diffusers' scheduler. Of `sigmas`, which pipelines spread evenly themselves, only their number counts.

        Raises:
            ValueError: more steps are asked for than noise levels were given.
        """
        asked = num_inference_steps if sigmas is None else len(sigmas)
        if asked is None or not 1 <= asked <= len(self._given):
            raise ValueError(
                f"{asked} steps are asked for but the sampling gives {len(self._given)} sigmas; give as many of both"
            )
        super().set_timesteps(sigmas=list(self._given[:asked]), device=device)


def noise_levels(pipeline: Any, sampling: Sampling) -> AbstractContextManager[None]:
    """While entered, the pipeline's scheduler visits what `sampling` asks for; its own comes back on leaving.

    Raises:
        ValueError: the sampling has a shift and sigmas; or a shift that the scheduler has no place for.
    """
    if sampling.sigmas is None:
        return shifted(pipeline, sampling.flow_shift)
    if sampling.flow_shift is not None:
        raise ValueError(f"flow_shift is {sampling.flow_shift} but sigmas are given, which are not shifted; give one")
    return _replaced(pipeline, GivenSigmas(sampling.sigmas))


@contextmanager
def _replaced(pipeline: Any, scheduler: Any) -> Iterator[None]:
    own = pipeline.scheduler
    pipeline.scheduler = scheduler
    try:
        yield
    finally:
        pipeline.scheduler = own
