"""FasterCache: attention is extrapolated, and the unconditional output follows the conditional one by frequency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from methods.base import Applied, Branch, Method, Sampling
from methods.families.base import Family
from methods.hooks.branches import BranchHooks
from methods.hooks.extrapolation import ExtrapolationHook, Remember

Clock = Literal["step", "timestep"]
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Constants:
    """A published schedule. A window (lo, hi) holds what is strictly between: on the clock `step`, the number of the
    step counted from 1, on `timestep`, the scheduler's timestep, with steps counted from 0 (see `FasterCache`)."""

    clock: Clock
    uncond_window: Window
    uncond_interval: int
    alpha_low: float
    alpha_low_window: Window
    alpha_high: float
    alpha_high_window: Window
    attention_window: Window
    attention_interval: int
    attention_phase: int
    attention_weight: float
    attention_weight_per_step: float
    attention_remember: Remember


_END = math.inf
# Vchitect/FasterCache@02d05ef, scripts/*/; `diffusers` is the default configuration of hooks/faster_cache.py in 0.42.1.
PRESETS: Mapping[str, Constants] = MappingProxyType(
    {
        "cogvideox": Constants(
            "step", (17, _END), 5, 1.1, (-1, 41), 1.1, (29, _END), (17, _END), 3, 0, 0.3, 0.0, "computed"
        ),
        # High frequencies are raised in the else-branch of the low ones' test, so in step 45 and after.
        "latte": Constants(
            "step", (17, _END), 5, 1.1, (-1, 45), 1.1, (44, _END), (15, _END), 2, 1, 0.5, 0.0, "computed"
        ),
        # The weight is 0.9 * (k - 7) / 20 at step k.
        "open_sora": Constants(
            "step", (11, _END), 5, 1.15, (-1, 26), 1.15, (19, _END), (7, _END), 2, 1, 0.045, 0.045, "computed"
        ),
        "open_sora_plan": Constants(
            "step", (39, _END), 6, 1.1, (-1, 131), 1.2, (130, _END), (44, _END), 3, 0, 0.3, 0.0, "computed"
        ),
        "diffusers": Constants(
            "timestep", (-1, 641), 5, 1.1, (99, 901), 1.1, (-1, 301), (-1, 681), 2, 0, 0.5, 0.0, "every"
        ),
    }
)
"""Schedules by the model they were published for. `open_sora` is for 30 steps, `open_sora_plan` for 150, the others for
50; their numbers are absolute."""


@dataclass(frozen=True)
class FasterCache(Method):
    """Extrapolates self-attention from its last two outputs and makes the unconditional output from the conditional.

    Source: Lv et al., "FasterCache: Training-Free Video Diffusion Model Acceleration with High Quality",
    arXiv 2410.19355, sections 3.2 and 3.3; Vchitect/FasterCache@02d05ef; and diffusers 0.42.1
    (`hooks/faster_cache.py`), of which `preset="diffusers"` is the rule with its default constants.

    Attention: in `attention_window` a step computes it if its number leaves `attention_phase` when divided by
    `attention_interval`, and otherwise returns last + (last - previous) * w, where w is `attention_weight` at the
    window's beginning and grows by `attention_weight_per_step`. With `attention_remember="computed"` these are the last
    two computed outputs, with `every` the last two returned ones, as in diffusers.

    CFG-Cache: in `uncond_window` the unconditional branch runs only in steps whose number divides by `uncond_interval`.
    Whenever both ran, the difference of their two-dimensional spectra over height and width is kept. In the other steps
    its low frequencies, within a radius of a fifth of the shorter side, are multiplied by `alpha_low` in steps inside
    `alpha_low_window`, the others by `alpha_high` inside `alpha_high_window`, and the result, added to the conditional
    spectrum, is the unconditional one. Factors compound from step to step until both branches run again.

    `preset` names a published schedule; every other field replaces one of its constants, None leaving it. On the clock
    `step` windows are read on the number of the step, counted from 1, as in the repository; on `timestep` on the
    scheduler's timestep, with steps counted from 0, as in diffusers. Published are CogVideoX, Latte, Open-Sora and
    Open-Sora-Plan; for any other model a schedule is a choice, and the default is CogVideoX's.

    In a guided step in which both branches run, the repository extrapolates attention only if its last computed outputs
    hold both, which after the first skipped step they hardly ever do; diffusers never does. Without guidance, or where
    it is embedded, every step of the pattern extrapolates and there is no CFG-Cache. In the first step all is computed.

    Memory: two outputs of each self-attention for the conditional branch, and for the unconditional one where the
    schedule extrapolates both in some step; on Wan 14B at 480p 25 GiB, of 0.3125 GiB each.

    Differences to the repository: each branch has its own attention outputs, where the repository slices the first half
    of the batch, which in Latte is the unconditional one (diffusers' pull request 10163). Attention is kept before the
    gate. Latte's temporal attention is not limited to the last output where batches differ. Differences to diffusers:
    it also runs on families that call the transformer for each branch, and on DiT, whose conditional half is the first;
    temporal attention is extrapolated like spatial; one spectrum is kept for both bands.
    """

    preset: str = "cogvideox"
    clock: Clock | None = None
    uncond_window: Window | None = None
    uncond_interval: int | None = None
    alpha_low: float | None = None
    alpha_low_window: Window | None = None
    alpha_high: float | None = None
    alpha_high_window: Window | None = None
    attention_window: Window | None = None
    attention_interval: int | None = None
    attention_phase: int | None = None
    attention_weight: float | None = None
    attention_weight_per_step: float | None = None
    attention_remember: Remember | None = None

    summary: ClassVar[str] = "attention changes steadily and branches differ alike in frequency, so both are predicted"
    source: ClassVar[str] = "arXiv 2410.19355 sections 3.2, 3.3; Vchitect/FasterCache@02d05ef; diffusers 0.42.1"

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        if self.preset not in PRESETS:
            raise ValueError(f"preset is {self.preset!r}; give one of {', '.join(PRESETS)}")
        for name in ("uncond_window", "alpha_low_window", "alpha_high_window", "attention_window"):
            window = getattr(self, name)
            if window is not None:
                object.__setattr__(self, name, tuple(window))
                if len(window) != 2 or window[0] >= window[1]:
                    raise ValueError(f"{name} is {window}; give two bounds, the lower first")
        for name in ("uncond_interval", "attention_interval"):
            if (getattr(self, name) or 1) < 1 or getattr(self, name) == 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1 (1 computes every step)")
        for name, allowed in (("clock", get_args(Clock)), ("attention_remember", get_args(Remember))):
            if getattr(self, name) not in (None, *allowed):
                raise ValueError(f"{name} is {getattr(self, name)!r}; give one of {', '.join(allowed)}")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """Intervals of one step."""
        return cls(uncond_interval=1, attention_interval=1, uncond_window=(0, _END), attention_window=(0, _END))

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """From the second step on; of six, the third and sixth run both branches and the first and fourth attention."""
        window = (0.0, _END)
        return cls(
            uncond_window=window, uncond_interval=3, attention_window=window, attention_interval=3, attention_phase=1
        )

    def constants(self) -> Constants:
        """The schedule in force: the preset's, but for what is given beside it."""
        given = {field.name: getattr(self, field.name) for field in fields(Constants)}
        published = PRESETS[self.preset]
        return Constants(
            **{name: getattr(published, name) if value is None else value for name, value in given.items()}
        )

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedFasterCache(pipeline, family, self.constants()).install()


@dataclass(frozen=True, slots=True)
class Step:
    """What one step does. `weight` and the factors matter only where something is predicted."""

    skips_uncond: bool
    extrapolates: bool
    weight: float
    factor_low: float
    factor_high: float


def schedule(constants: Constants, timesteps: Sequence[float], guided: bool) -> tuple[Step, ...]:
    """All steps of a video with these scheduler timesteps, with or without a second branch. No tensors."""
    steps: list[Step] = []
    on_steps = constants.clock == "step"
    both_held = True
    for index, timestep in enumerate(timesteps):
        number = index + 1 if on_steps else index
        now = number if on_steps else timestep
        later = index > 0
        skips = guided and later and _inside(constants.uncond_window, now) and number % constants.uncond_interval != 0
        phase = constants.attention_phase % constants.attention_interval
        wanted = later and _inside(constants.attention_window, now) and number % constants.attention_interval != phase
        extrapolates = wanted and (skips or not guided or (on_steps and both_held))
        if not extrapolates:
            both_held = not skips
        since = number - math.floor(constants.attention_window[0]) - 1 if on_steps else 0
        steps.append(
            Step(
                skips,
                extrapolates,
                constants.attention_weight + constants.attention_weight_per_step * since,
                constants.alpha_low if _inside(constants.alpha_low_window, now) else 1.0,
                constants.alpha_high if _inside(constants.alpha_high_window, now) else 1.0,
            )
        )
    return tuple(steps)


def _inside(window: Window, now: float) -> bool:
    return window[0] < now < window[1]


def low_pass(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Where an unshifted spectrum of height x width is low: boolean, within a radius of a fifth of the shorter side."""
    y = torch.arange(height, device=device).sub(height // 2).roll(-(height // 2))
    x = torch.arange(width, device=device).sub(width // 2).roll(-(width // 2))
    low: Tensor = y[:, None] ** 2 + x[None, :] ** 2 <= (min(height, width) // 5) ** 2
    return low


def spectrum(sample: Tensor, layout: str) -> Tensor:
    """The complex spectrum of each frame and channel; `layout` names the sample's dimensions, H and W among them."""
    values: Tensor = torch.fft.fft2(sample.float(), dim=_sides(layout))
    return values


def from_spectrum(values: Tensor, layout: str, dtype: torch.dtype) -> Tensor:
    """The real part of what has this spectrum."""
    sample: Tensor = torch.fft.ifft2(values, dim=_sides(layout))
    return sample.real.to(dtype)


def amplified(difference: Tensor, layout: str, low: float, high: float) -> Tensor:
    """A difference of spectra with its low and its high frequencies multiplied."""
    height, width = (difference.shape[side] for side in _sides(layout))
    mask = low_pass(height, width, difference.device)
    return difference * torch.where(mask, low, high)


def _sides(layout: str) -> tuple[int, int]:
    if not layout.endswith("HW"):
        raise ValueError(f"latent layout is {layout}; FasterCache needs height and width last")
    return (-2, -1)


class _AppliedFasterCache(BranchHooks):
    """Is the rule of its attention hooks, too; see `ExtrapolationRule`."""

    def __init__(self, pipeline: Any, family: Family, constants: Constants) -> None:
        super().__init__(pipeline, family)
        self._constants = constants
        self._timesteps = partial(family.timesteps, pipeline)
        self.clear()

    def clear(self) -> None:
        self._schedules: dict[bool, tuple[Step, ...]] = {}
        self._guided = False
        self._step = Step(False, False, 0.0, 1.0, 1.0)
        self.kept: tuple[Branch, ...] = ("cond",)

    def attach_hooks(self) -> None:
        for cached in self.family.cached_modules(self.transformer):
            if cached.kind == "self_attention":
                hook = ExtrapolationHook(cached.name, self, self.store, self._constants.attention_remember)
                self._attach(cached.module, hook)

    @property
    def extrapolates(self) -> bool:
        """See `ExtrapolationRule`."""
        return self._step.extrapolates

    @property
    def weight(self) -> float:
        """See `ExtrapolationRule`."""
        return self._step.weight

    def begin_branches(self) -> None:
        """Look up the step. That a video is guided shows in its first step, in which all is computed anyway."""
        call = self.controller.call
        self._guided = self._guided or "uncond" in self.held
        if not self._schedules:
            timesteps = self._timesteps()
            self._schedules = {guided: schedule(self._constants, timesteps, guided) for guided in (True, False)}
        steps = self._schedules[self._guided]
        self._step = steps[call.step_index]
        both = any(step.extrapolates and not step.skips_uncond for step in self._schedules[True])
        self.kept = ("cond", "uncond") if both else ("cond",)
        runs = [branch for branch in self.held if self.runs(branch)]
        levels = ["attention"] if runs and self._step.extrapolates else []
        if len(runs) < len(self.held):
            levels.append("cfg")
        if levels:
            self.controller.decide("partial" if runs else "predict", level="+".join(levels))

    def runs(self, branch: Branch) -> bool:
        """See `BranchHooks`."""
        return branch == "cond" or not self._step.skips_uncond

    def computed(self, branch: Branch, sample: Tensor) -> None:
        """Keep the conditional output, and where both branches ran their difference."""
        if branch == "cond":
            self.store.put("cond", sample)
            return
        layout = self.family.latent_layout
        self.store.drop("difference")
        self.store.put("difference", spectrum(sample, layout) - spectrum(self.store.get("cond"), layout))

    def made(self, branch: Branch) -> Tensor:
        """The unconditional output by the difference of the spectra."""
        layout, cond = self.family.latent_layout, self.store.get("cond")
        difference = amplified(self.store.get("difference"), layout, self._step.factor_low, self._step.factor_high)
        self.store.put("difference", difference)
        return from_spectrum(spectrum(cond, layout) + difference, layout, cond.dtype)
