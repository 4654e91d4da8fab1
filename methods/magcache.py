"""MagCache: how residuals shrink from step to step, measured once, says which steps may be skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

from methods.base import Applied, Branch, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call


@dataclass(frozen=True, slots=True)
class Calibration:
    """Published ratios: the family they were measured on, one list a branch, and whether the error must stay below.

    `strict` skips where the error is below the threshold, otherwise one equal to it skips too.
    """

    family: str
    strict: bool
    cond: tuple[float, ...]
    uncond: tuple[float, ...]


def _published() -> Mapping[str, Calibration]:
    held = json.loads(Path(__file__).with_name("magcache_ratios.json").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Calibration(one["family"], one["strict"], tuple(one["cond"]), tuple(one.get("uncond", one["cond"])))
            for name, one in held["calibrations"].items()
        }
    )


CALIBRATIONS = _published()
"""Published ratios by name, from `magcache_ratios.json`."""


@dataclass(frozen=True)
class MagCache(Method):
    """Skips the block stack for as long as the known loss of the residual's magnitude adds up to little.

    Source: Ma et al., "MagCache: Fast Video Generation with Magnitude-Aware Cache", arXiv 2506.09045; repository
    Zehong-Ma/MagCache@df81cb1, `MagCache4Wan2.1/` and `MagCache4HunyuanVideo/`.

    The ratio of a step is the mean over tokens of |r| / |r_before|, r being what the whole stack adds to a token and
    r_before the same one step earlier; it hardly depends on the prompt, so it is measured once. Of T steps the first
    int(`retention_ratio` * T) run. Then, with a = 1, n = 0 and E = 0 after each step that ran, a step multiplies a by
    its ratio, adds 1 to n and |1 - a| to E, and is skipped if E <= `magcache_thresh` and n <= `magcache_K`; the
    residual is then added again. On Wan's published ratios E must be below the threshold. The last step is not forced
    to run. Which steps run is so known beforehand, and is the same for every video.

    `calibration` names published ratios (`CALIBRATIONS`). Own ones are `mag_ratios`, one a step beginning with 1, and
    `mag_ratios_uncond` for the unconditional branch (the same where left out). A list for another number of steps is
    read at the nearest index, separately for each branch. Where both branches are one call `mag_ratios` counts.

    Differences: retention counts steps, where the repository's Wan counts both branches' calls, which is the same
    where `retention_ratio` * T is whole; a branch's first call always runs. HunyuanVideo's ratios serve a second,
    unconditional call too. Diffusers' `MagCacheConfig` rounds the retained steps to the nearest and has one list for
    both branches; where these agree the videos are equal. Open-Sora's ratios are left out, as its rule is another one
    and it is no family here.
    """

    magcache_thresh: float
    magcache_K: int  # noqa: N815  # upstream's name
    retention_ratio: float = 0.2
    calibration: str | None = None
    mag_ratios: tuple[float, ...] | None = None
    mag_ratios_uncond: tuple[float, ...] | None = None

    summary: ClassVar[str] = (
        "residuals shrink alike for all prompts, so steps with a small known loss reuse the last one"
    )
    source: ClassVar[str] = "arXiv 2506.09045; Zehong-Ma/MagCache@df81cb1"

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        for name in ("mag_ratios", "mag_ratios_uncond"):
            ratios = getattr(self, name)
            if ratios is not None:
                object.__setattr__(self, name, tuple(ratios))
                if not ratios or min(ratios) <= 0:
                    raise ValueError(f"{name} is {tuple(ratios)}; give one positive ratio a step, or leave it out")
        if self.magcache_thresh < 0:
            raise ValueError(f"magcache_thresh is {self.magcache_thresh}; give 0 or more")
        if self.magcache_K < 0:
            raise ValueError(f"magcache_K is {self.magcache_K}; give 0 (never skip) or more")
        if not 0 <= self.retention_ratio <= 1:
            raise ValueError(f"retention_ratio is {self.retention_ratio}; give a share of the steps from 0 to 1")
        if self.calibration is not None and self.calibration not in CALIBRATIONS:
            raise ValueError(f"calibration is {self.calibration!r}; give one of {', '.join(CALIBRATIONS)}")
        if self.calibration is not None and (self.mag_ratios or self.mag_ratios_uncond):
            raise ValueError(f"mag_ratios are given beside calibration {self.calibration!r}; leave one of them out")
        if self.mag_ratios_uncond is not None and self.mag_ratios is None:
            raise ValueError("mag_ratios_uncond is given without mag_ratios; give both, or mag_ratios alone")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """No step may be skipped."""
        return cls(magcache_thresh=1.0, magcache_K=0, mag_ratios=(1.0,))

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """Nothing is ever lost, and every second step may be skipped."""
        return cls(magcache_thresh=0.1, magcache_K=1, mag_ratios=(1.0,) * default.num_inference_steps)

    def unsupported(self, family: Family) -> str | None:
        """No ratios, or another family's."""
        remedy = f"run `harness calibrate magcache` on {family.name} and give mag_ratios"
        if self.calibration is None:
            return None if self.mag_ratios else f"no ratios are given; {remedy}"
        fitted = CALIBRATIONS[self.calibration].family
        if fitted != family.name:
            return f"calibration {self.calibration!r} was measured on {fitted}, not on {family.name}; {remedy}"
        return None

    def schedule(self, branch: Branch, num_steps: int) -> tuple[Step, ...]:
        """What is done at each of `num_steps` steps of a branch."""
        ratios: Sequence[float] | None
        if self.calibration is not None:
            published = CALIBRATIONS[self.calibration]
            ratios, strict = published.uncond if branch == "uncond" else published.cond, published.strict
        else:
            ratios, strict = self.mag_ratios, False
            if branch == "uncond" and self.mag_ratios_uncond is not None:
                ratios = self.mag_ratios_uncond
        if ratios is None:
            raise ValueError("no ratios are given; name a calibration or give mag_ratios")
        return plan_steps(
            nearest(ratios, num_steps), self.magcache_thresh, self.magcache_K, self.retention_ratio, strict=strict
        )

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedMagCache(pipeline, family, self).install()


@dataclass(frozen=True, slots=True)
class Step:
    """Whether a step is skipped, and the error E that was compared, None where none was."""

    skipped: bool
    error: float | None


def nearest(ratios: Sequence[float], num_steps: int) -> tuple[float, ...]:
    """A list of ratios read at `num_steps` points, each at the nearest index; halves go to the even one."""
    if len(ratios) == num_steps:
        return tuple(ratios)
    if num_steps == 1:
        return (ratios[-1],)
    scale = (len(ratios) - 1) / (num_steps - 1)
    return tuple(ratios[round(index * scale)] for index in range(num_steps))


def plan_steps(
    ratios: Sequence[float], threshold: float, max_skips: int, retention_ratio: float, *, strict: bool
) -> tuple[Step, ...]:
    """MagCache's rule for one branch with one ratio a step; see `MagCache`."""
    retained = max(1, int(retention_ratio * len(ratios)))
    steps = [Step(False, None)] * min(retained, len(ratios))
    magnitude, count, error = 1.0, 0, 0.0
    for ratio in ratios[retained:]:
        magnitude *= ratio
        count += 1
        error += abs(1.0 - magnitude)
        within = error < threshold if strict else error <= threshold
        steps.append(Step(within and count <= max_skips, error))
        if not steps[-1].skipped:
            magnitude, count, error = 1.0, 0, 0.0
    return tuple(steps)


class _AppliedMagCache(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: MagCache) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._schedules: dict[Branch, tuple[Step, ...]] = {}
        self._skip = False

    def attach_hooks(self) -> None:
        blocks = [module for block in self.family.stack(self.transformer) for module in block]
        self.attach_block_range(blocks, lambda: self._skip)

    def begin_call(self, call: Call) -> None:
        if call.branch not in self._schedules:
            self._schedules[call.branch] = self._method.schedule(call.branch, call.num_steps)
        step = self._schedules[call.branch][call.step_index]
        self._skip = step.skipped
        self.controller.decide("reuse" if step.skipped else "compute", step.error)

    def clear(self) -> None:
        self._schedules = {}
