"""MixCache's profile: when caching may begin, how long it may last, and what each level of it costs in accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from harness.calibrate.base import Calibrator, Curves, Found, Subject, present
from harness.calibrate.calibration import CalibrationError
from harness.calibrate.perturbation.noise import Noise
from harness.calibrate.perturbation.recorders import ImpactRecorder, RedundancyRecorder
from methods.mixcache import MixCache

CfgStandIn = Literal["shifted", "cond"]


@dataclass(frozen=True)
class MixCacheCalibration(Calibrator):
    """The offline profile of section 3.5 and the perturbation study of section 3.4, in two passes over the prompts.

    Source: arXiv 2508.12691 sections 3.3 to 3.5; there is no public code. Distances are the method's own.

    The first pass measures D_step, D_cfg and D_block of each step (Figure 2), and mean and standard deviation of the
    tensor by which what a level would put in place of an output is off (Figure 6): the guided output of the last step,
    the conditional output shifted by the last step's guidance difference, a block's output of the last step. The
    second adds normal noise of that size to the output, the unconditional output and the block's output, and takes the
    relative L1 distance between the guided outputs with and without as impact I (Figure 5a). Noise on a block reaches
    both branches, since the method shifts the conditional output. mu is the mean over all steps, sigma, I_step and
    I_cfg that over the last `stable_share` of them (the paper's 40 of 50); I_block keeps its steps. Means over prompts.

    Chosen where the paper is silent or contradicts itself:

    * D_step is stable from the first step whose D_step is within `stable_tolerance`, relative, of each of the
      `stable_window` before it; theta is the mean from there on. Prompts that never become stable are left out.
    * delta1 and delta2 are "the maximum and minimum deviations from theta after stabilization", yet delta1 < delta2
      must hold: the larger of max D_step - theta and theta - min D_step is delta2, the smaller delta1.
    * Whether I is a distance of the step's output or of the finished video is not said; the former, which a figure over
      all timesteps suggests.
    * `cfg_stand_in`: whether the cached unconditional output of Figure 6 is the `shifted` one of Algorithm 1 or `cond`
      itself, as in D_cfg.
    * `block_ids`: None is a quarter, half and three quarters of the depth, which on Wan 14B are the paper's.
    """

    block_ids: tuple[int, ...] | None = None
    stable_share: float = 0.8
    stable_tolerance: float = 0.2
    stable_window: int = 5
    cfg_stand_in: CfgStandIn = "shifted"
    noise_seed: int = 0

    default_prompts: ClassVar[int] = 100

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not 0 < self.stable_share <= 1:
            raise ValueError(f"stable_share is {self.stable_share}; give a share of the steps above 0, to 1")
        if self.stable_tolerance <= 0:
            raise ValueError(f"stable_tolerance is {self.stable_tolerance}; give a relative difference above 0")
        if self.stable_window < 1:
            raise ValueError(f"stable_window is {self.stable_window}; give at least 1 step")
        if self.cfg_stand_in not in get_args(CfgStandIn):
            raise ValueError(f"cfg_stand_in is {self.cfg_stand_in!r}; give one of {', '.join(get_args(CfgStandIn))}")

    def calibrate(self, subject: Subject) -> Found:
        """See `Calibrator.calibrate`."""
        steps = subject.sampling.num_inference_steps
        depth = len(subject.family.stack(subject.family.transformer(subject.pipeline)))
        try:
            blocks = MixCache(block_ids=self.block_ids).blocks(depth)
        except ValueError as error:
            raise CalibrationError(f"--set: {error}") from None
        curves = subject.curves()
        first = RedundancyRecorder(subject, curves, blocks, shifted=self.cfg_stand_in == "shifted")
        subject.record(first)
        theta, delta1, delta2 = thresholds(
            curves.of("distance.step", "cond"), self.stable_tolerance, self.stable_window
        )
        stable = steps - max(1, round(self.stable_share * steps))
        noise = {level: fit_noise(curves, level, stable) for level in first.levels}
        subject.record(ImpactRecorder(subject, curves, blocks, noise, self.noise_seed))
        fields = {
            "theta": theta,
            "delta1": delta1,
            "delta2": delta2,
            "impact_step": _mean_from(curves.of("impact.step", "guided"), stable),
            "impact_blocks": [_by_step(curves.of(f"impact.block_{block}", "guided"), steps) for block in blocks],
            "block_ids": list(blocks),
        }
        if "cfg" in noise:
            fields["impact_cfg"] = _mean_from(curves.of("impact.cfg", "guided"), stable)
        return Found(fields, curves.finish())


def thresholds(
    distances: Sequence[Sequence[float | None]], tolerance: float, window: int
) -> tuple[float, float, float]:
    """theta, delta1 and delta2 of D_step, `distances[prompt][step_index]`; see `MixCacheCalibration`.

    Raises:
        CalibrationError: D_step becomes stable in no prompt.
    """
    found = []
    for steps in distances:
        known = [value for value in steps if value is not None]
        begin = first_stable(known, tolerance, window)
        if begin is not None:
            rest = known[begin:]
            theta = float(np.mean(rest))
            found.append((theta, *sorted((theta - min(rest), max(rest) - theta))))
    if not found:
        raise CalibrationError(
            f"D_step stays within {tolerance:g} of its {window} last values in no prompt; raise --set stable_tolerance"
        )
    theta, delta1, delta2 = np.mean(found, axis=0).tolist()
    return theta, delta1, delta2


def first_stable(distances: Sequence[float], tolerance: float, window: int) -> int | None:
    """Index of the first value that differs from each of the `window` before it by at most `tolerance` of itself."""
    for index in range(window, len(distances)):
        value = distances[index]
        if all(abs(value - before) <= tolerance * value for before in distances[index - window : index]):
            return index
    return None


def fit_noise(curves: Curves, level: str, stable: int) -> Noise:
    """Mean over all steps, standard deviation over those from index `stable` on; of all prompts."""
    (branch,) = curves.branches(f"error_mean.{level}")
    mean = float(np.mean(present(curves.of(f"error_mean.{level}", branch))))
    return Noise(mean, _mean_from(curves.of(f"error_std.{level}", branch), stable))


def _mean_from(values: Sequence[Sequence[float | None]], begin: int) -> float:
    return float(np.mean(present([steps[begin:] for steps in values])))


def _by_step(values: Sequence[Sequence[float | None]], num_steps: int) -> list[float]:
    return [float(np.mean(present([[steps[index]] for steps in values]))) for index in range(num_steps)]
