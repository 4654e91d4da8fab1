"""AdaCache's codebook: the range of its distance on the original, split evenly among the rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from harness.calibrate.base import Calibrator, Curves, Found, Recorder, Subject, present
from harness.calibrate.calibration import CalibrationError
from methods.adacache import CUSTOM, AdaCache, measured_attention, motion_score, relative_change

DISTANCE = "distance"
MOTION_SCORE = "motion_score"
MOTION_GRADIENT = "motion_gradient"


@dataclass(frozen=True)
class AdaCacheCalibration(Calibrator):
    """Thresholds that split the range of the distance into equal parts, the smallest distances at the first rate.

    Source: arXiv 2411.02397, supplementary section A.2: 16 prompts, the range of the distance over the original's
    steps, split uniformly. The original computes every step, so the rate the distance is divided by is 1.

    `rates` are the user's choice of speed, for which there is no calibration; those of the 30-step AdaCache-fast by
    default. A suite may give other `codebook_rates`, as many, beside the file. `lower_quantile` and `upper_quantile`
    say what the range is, which the paper leaves open: 0 and 1 are the least and the greatest distance, which a single
    odd step decides. Steps whose distance the method never looks at, the last two, are left out. `cache_loc` and
    `moreg_strides` are the method's.
    """

    rates: tuple[int, ...] = (6, 5, 4, 3, 2, 1)
    lower_quantile: float = 0.0
    upper_quantile: float = 0.95
    cache_loc: int | None = None
    moreg_strides: tuple[int, ...] = (1,)

    default_prompts: ClassVar[int] = 16

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not self.rates or min(self.rates) < 1:
            raise ValueError(f"rates is {self.rates}; give at least one, of 1 or more")
        if not 0 <= self.lower_quantile < self.upper_quantile <= 1:
            raise ValueError(
                f"lower_quantile is {self.lower_quantile} and upper_quantile {self.upper_quantile}; give two from 0 to "
                "1, the lower first"
            )

    def calibrate(self, subject: Subject) -> Found:
        """See `Calibrator.calibrate`."""
        curves = subject.curves()
        subject.record(_AdaCacheRecorder(subject, curves, AdaCache(cache_loc=self.cache_loc), self.moreg_strides))
        measured = [
            value
            for branch in curves.branches(DISTANCE)
            for value in present([steps[:-2] for steps in curves.of(DISTANCE, branch)])
        ]
        if not measured:
            raise CalibrationError(
                f"{subject.sampling.num_inference_steps} steps give no distance that counts; sample at least 4"
            )
        thresholds = split(measured, len(self.rates), self.lower_quantile, self.upper_quantile)
        fields = {
            "codebook": CUSTOM,
            "codebook_thresholds": list(thresholds),
            "codebook_rates": list(self.rates),
            "cache_loc": self.cache_loc,
        }
        return Found(fields, curves.finish())


def split(distances: Sequence[float], parts: int, lower_quantile: float, upper_quantile: float) -> tuple[float, ...]:
    """Upper ends of equal parts of the range between two quantiles of the distances, ascending.

    Raises:
        CalibrationError: the distances are all equal, so that they have no range.
    """
    low, high = (float(value) for value in np.quantile(distances, (lower_quantile, upper_quantile)))
    if not low < high:
        raise CalibrationError(f"all distances are {low}, so there is no range to split; use more prompts or steps")
    return tuple(low + (high - low) * part / parts for part in range(1, parts + 1))


class _AdaCacheRecorder(Recorder):
    """Reads the attention that the method reads at each step, and measures it as the method does."""

    def __init__(self, subject: Subject, curves: Curves, method: AdaCache, strides: tuple[int, ...]) -> None:
        super().__init__(subject, curves)
        self._method, self._strides = method, strides
        self._moves = "F" in subject.family.latent_layout
        self._num_frames = 1
        self._motion: dict[str, float] = {}

    def attach_hooks(self) -> None:
        signal = measured_attention(self.family, self.transformer, self._method.cache_loc)
        self.attach_signal(signal, self._receive)

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden_states = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        if self._moves:
            self._num_frames = self.family.token_frames(self.transformer, hidden_states)
        return forward(*args, **kwargs)

    def clear(self) -> None:
        self._motion = {}

    def _receive(self, attention: Tensor) -> None:
        branch = self.controller.call.branch
        if branch in self.store:
            self.note(DISTANCE, relative_change(self.store.get(branch), attention).item())
        self.store.put(branch, attention)
        if self._moves and self._num_frames > max(self._strides):
            motion = motion_score(attention, self._num_frames, self._strides).item()
            self.note(MOTION_SCORE, motion)
            if branch in self._motion:
                self.note(MOTION_GRADIENT, motion - self._motion[branch])
            self._motion[branch] = motion
