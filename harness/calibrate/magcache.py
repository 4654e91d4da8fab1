"""MagCache's ratios: how the magnitude of what the block stack adds changes from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from harness.calibrate.base import Calibrator, Found, Recorder, Subject, present

MAGNITUDE_RATIO = "magnitude_ratio"


@dataclass(frozen=True)
class MagCacheCalibration(Calibrator):
    """The mean ratio of each step, for each branch of guidance; the first step's is 1.

    Source: arXiv 2506.09045 section 3; Zehong-Ma/MagCache@df81cb1, whose calibration takes one prompt, since ratios
    hardly depend on it. Of several prompts the mean is taken.
    """

    default_prompts: ClassVar[int] = 1

    def calibrate(self, subject: Subject) -> Found:
        """See `Calibrator.calibrate`."""
        curves = subject.curves()
        subject.record(_MagCacheRecorder(subject, curves))
        ratios = {
            branch: fit(curves.of(MAGNITUDE_RATIO, branch), subject.sampling.num_inference_steps)
            for branch in curves.branches(MAGNITUDE_RATIO)
        }
        fields: dict[str, list[float]] = {"mag_ratios": list(ratios["both" if "both" in ratios else "cond"])}
        if "uncond" in ratios:
            fields["mag_ratios_uncond"] = list(ratios["uncond"])
        return Found(fields, curves.finish())


def fit(values: Sequence[Sequence[float | None]], num_steps: int) -> tuple[float, ...]:
    """Mean over prompts of each step's ratio, `values[prompt][step_index]`; 1 where a step has none, as the first."""
    columns = [present([[steps[index]] for steps in values]) for index in range(num_steps)]
    return tuple(float(np.mean(column)) if column else 1.0 for column in columns)


def magnitude_ratio(residual: Tensor, before: Tensor) -> Tensor:
    """Mean over tokens of |r| / |r_before|, Euclidean norms over the width in float32; a scalar."""
    ratio: Tensor = _norm(residual) / _norm(before)
    return ratio.mean()


def _norm(value: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(value, dim=-1, dtype=torch.float32)
    return norm


class _MagCacheRecorder(Recorder):
    def attach_hooks(self) -> None:
        self.watch_residual(self._receive)

    def _receive(self, residual: Tensor) -> None:
        key = self.controller.call.branch
        if key in self.store:
            self.note(MAGNITUDE_RATIO, magnitude_ratio(residual, self.store.get(key)).item())
        self.store.put(key, residual)
