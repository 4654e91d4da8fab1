"""What a metric is: frames in, named numbers out, or a reason why not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""`(frames, height, width, 3)`, RGB, before any lossy encoding."""


class Metric(ABC):
    """One metric, held by a worker for all its cells. Discovered by the name of its file."""

    values: ClassVar[tuple[str, ...]]
    """Names of the numbers it gives."""
    higher_is_better: ClassVar[bool] = True
    needs_reference: ClassVar[bool]
    """Whether it compares with the original's video of the same prompt and sample."""

    @abstractmethod
    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        """The numbers of one video; None where one does not apply to this prompt.

        Raises:
            MetricUnavailableError: something the metric needs is not on this machine.
            ValueError: frames and reference differ in shape, or the prompt is none this metric knows.
        """


def check_same_shape(frames: Frames, reference: Frames | None) -> Frames:
    """The reference, once it is known to be comparable.

    Raises:
        ValueError: there is none, or its shape differs.
    """
    if reference is None:
        raise ValueError("no reference video: the original's cell of this prompt and sample did not succeed")
    if frames.shape != reference.shape:
        raise ValueError(f"video of shape {frames.shape} against a reference of shape {reference.shape}")
    return reference
