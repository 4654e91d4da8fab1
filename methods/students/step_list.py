"""Which steps of a video run the whole model and which the predictor, and how stale the predictor's cache may get."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def check_step_list(step_list: Sequence[int], num_inference_steps: int) -> None:
    """Refuse a list of full steps that no video can follow.

    Raises:
        ValueError: it does not begin with step 0, does not ascend, or names a step beyond the last one.
    """
    listed = " ".join(map(str, step_list))
    if not step_list or step_list[0] != 0:
        raise ValueError(f"step_list is '{listed}'; it must begin with 0, since nothing is cached before a full step")
    if any(later <= earlier for earlier, later in pairwise(step_list)):
        raise ValueError(f"step_list is '{listed}'; full steps must ascend, each named once")
    if step_list[-1] >= num_inference_steps:
        raise ValueError(
            f"step_list is '{listed}' but there are {num_inference_steps} steps, 0 to {num_inference_steps - 1}; "
            "shorten it or set num_inference_steps to what it was made for"
        )


def alternate(num_inference_steps: int) -> tuple[int, ...]:
    """Every second step full, the first among them."""
    return tuple(range(0, num_inference_steps, 2))


def maximum_interval(step_list: Sequence[int], num_inference_steps: int) -> int:
    """The most steps from one full step to the next, or to the end: the paper's N."""
    ends = (*step_list[1:], num_inference_steps)
    return max(end - begin for begin, end in zip(step_list, ends, strict=True))


def cache_ages(step_list: Sequence[int], sigmas: Sequence[float]) -> dict[int, float]:
    """For each predicted step, how far its sigma is below that of the full step its cache is from.

    `sigmas` has one for each step, after the schedule's shift, in [0, 1] and descending.
    """
    full = set(step_list)
    ages: dict[int, float] = {}
    cached = sigmas[0]
    for step, sigma in enumerate(sigmas):
        if step in full:
            cached = sigma
        else:
            ages[step] = cached - sigma
    return ages


def staleness(step_list: Sequence[int], sigmas: Sequence[float], delta_max: float) -> str | None:
    """What is wrong with a list for a predictor trained on caches at most `delta_max` old, or None."""
    # Schedules are computed in float32.
    stale = {step: age for step, age in cache_ages(step_list, sigmas).items() if age > delta_max + 1e-6}
    if not stale:
        return None
    worst = max(stale, key=lambda step: stale[step])
    return (
        f"step_list '{' '.join(map(str, step_list))}' predicts step {worst} from a cache {stale[worst]:.3f} of sigma "
        f"old, beyond delta_max {delta_max:g} of the predictor's training; list a full step between"
    )
