"""TeaCache: the change of the timestep embedding says when the block stack may be skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from methods.base import Applied, Branch, Method, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks
from methods.hooks.context_parallel import Ratio


@dataclass(frozen=True, slots=True)
class Calibration:
    """A published polynomial: the family and signal it was fitted on, and its coefficients, highest power first."""

    family: str
    signal: str
    coefficients: tuple[float, ...]


UNCALIBRATED = "none"

# ali-vilab/TeaCache@7c10efc, folders TeaCache4*/ and eval/teacache/experiments/. `open_sora*` are no families here;
# they are listed so that asking for them is answered with the reason.
_COGVIDEOX_2B = (-3.10658903e01, 2.54732368e01, -5.92380459e00, 1.75769064e00, -3.61568434e-03)
_COGVIDEOX_5B = (-1.53880483e03, 8.43202495e02, -1.34363087e02, 7.97131516e00, -5.23162339e-02)
_COGVIDEOX15_5B = (2.50210439e02, -1.65061612e02, 3.57804877e01, -7.81551492e-01, 3.58559703e-02)
_COGVIDEOX15_5B_I2V = (1.22842302e02, -1.04088754e02, 2.62981677e01, -3.06009921e-01, 3.71213220e-02)
_HUNYUAN_VIDEO = (7.33226126e02, -4.01131952e02, 6.75869174e01, -3.14987800e00, 9.61237896e-02)
_LATTE = (-2.46434137e03, 3.08044764e02, 8.07447667e01, -4.11385132e00, 1.11001402e-01)
_OPEN_SORA = (2.17546007e02, -1.18329252e02, 2.68662585e01, -4.59364272e-02, 4.84426240e-02)
_OPEN_SORA_PLAN = (2.05943668e05, -1.48759286e04, 3.06085986e02, 1.31418080e00, 2.39658469e-03)
_WAN_T2V_1_3B = (2.39676752e03, -1.31110545e03, 2.01331979e02, -8.29855975e00, 1.37887774e-01)
_WAN_T2V_14B = (-5784.54975374, 5449.50911966, -1811.16591783, 256.27178429, -13.02252404)
_WAN_I2V_480P = (-3.02331670e02, 2.23948934e02, -5.25463970e01, 5.87348440e00, -2.01973289e-01)
_WAN_I2V_720P = (-114.36346466, 65.26524496, -18.82220707, 4.91518089, -0.23412683)
_WAN_T2V_1_3B_RET = (-5.21862437e04, 9.23041404e03, -5.28275948e02, 1.36987616e01, -4.99875664e-02)
_WAN_T2V_14B_RET = (-3.03318725e05, 4.90537029e04, -2.65530556e03, 5.87365115e01, -3.15583525e-01)
_WAN_I2V_480P_RET = (2.57151496e05, -3.54229917e04, 1.40286849e03, -1.35890334e01, 1.32517977e-01)
_WAN_I2V_720P_RET = (8.10705460e03, 2.13393892e03, -3.72934672e02, 1.66203073e01, -4.17769401e-02)

CALIBRATIONS: Mapping[str, Calibration] = MappingProxyType(
    {
        "cogvideox_2b": Calibration("cogvideox", "emb", _COGVIDEOX_2B),
        "cogvideox_5b": Calibration("cogvideox", "emb", _COGVIDEOX_5B),
        "cogvideox1.5_5b": Calibration("cogvideox", "emb", _COGVIDEOX15_5B),
        "cogvideox1.5_5b_i2v": Calibration("cogvideox", "emb", _COGVIDEOX15_5B_I2V),
        "hunyuan_video": Calibration("hunyuan_video", "modulated_hidden", _HUNYUAN_VIDEO),
        "latte": Calibration("latte", "modulated_hidden", _LATTE),
        "open_sora_1.2": Calibration("open_sora", "modulated_hidden", _OPEN_SORA),
        "open_sora_plan_1.1": Calibration("open_sora_plan", "modulated_hidden", _OPEN_SORA_PLAN),
        "wan_t2v_1.3b": Calibration("wan", "temb", _WAN_T2V_1_3B),
        "wan_t2v_14b": Calibration("wan", "temb", _WAN_T2V_14B),
        "wan_i2v_480p": Calibration("wan_i2v", "temb", _WAN_I2V_480P),
        "wan_i2v_720p": Calibration("wan_i2v", "temb", _WAN_I2V_720P),
        "wan_t2v_1.3b_ret": Calibration("wan", "timestep_proj", _WAN_T2V_1_3B_RET),
        "wan_t2v_14b_ret": Calibration("wan", "timestep_proj", _WAN_T2V_14B_RET),
        "wan_i2v_480p_ret": Calibration("wan_i2v", "timestep_proj", _WAN_I2V_480P_RET),
        "wan_i2v_720p_ret": Calibration("wan_i2v", "timestep_proj", _WAN_I2V_720P_RET),
    }
)
"""Published polynomials by name. `_ret` are those of upstream's `use_ret_steps`."""

_RET_SIGNAL = "timestep_proj"
_RET_FULL_STEPS = 5


@dataclass(frozen=True)
class TeaCache(Method):
    """Skips the block stack while the accumulated, rescaled change of its modulated input stays small.

    Source: Liu et al., "Timestep Embedding Tells: It's Time to Cache for Video Diffusion Model", arXiv 2411.19108,
    section 3; repository ali-vilab/TeaCache@7c10efc, `TeaCache4*/`.

    With m the modulated input of a step, A grows by p(mean|m - m_before| / mean|m_before|), p a polynomial fitted
    for the model. While A < `rel_l1_thresh` the whole stack is replaced by adding the residual (output - input) it had
    when it last ran; otherwise it runs and A becomes 0. `m_before` is the last step's whether that was computed or
    not. Each branch of classifier-free guidance has its own A, m and residual. The first and the last step always
    run; with `use_ret_steps` instead the first 5 do, the last is free, and m is `timestep_proj`, the modulation itself.

    `calibration` names a published p (`CALIBRATIONS`); `none` is p(x) = x, for a model nobody has fitted one for, and
    its thresholds compare with those of no table. `coefficients` gives an own p, highest power first.

    Differences: m is read in the precision the diffusers module yields (on Wan float32 for `temb`; the model's own for
    `timestep_proj`, where upstream keeps float32); `rel_l1_thresh = 0` never skips, where a negative p could make
    upstream skip; state lives in the applied method, not on the model's class; one host synchronisation a decision,
    and none at steps that always run.
    """

    rel_l1_thresh: float
    calibration: str = UNCALIBRATED
    coefficients: tuple[float, ...] | None = None
    use_ret_steps: bool = False

    summary: ClassVar[str] = "the timestep embedding's change predicts the output's, so small ones skip the block stack"
    source: ClassVar[str] = "arXiv 2411.19108 section 3; ali-vilab/TeaCache@7c10efc, TeaCache4*/"
    adaptive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Make a tuple of what YAML reads as a list; refuse impossible values."""
        if self.coefficients is not None:
            object.__setattr__(self, "coefficients", tuple(self.coefficients))
        if self.rel_l1_thresh < 0:
            raise ValueError(f"rel_l1_thresh is {self.rel_l1_thresh}; give 0 (never skip) or more")
        known = (*CALIBRATIONS, UNCALIBRATED)
        if self.calibration not in known:
            raise ValueError(f"calibration is {self.calibration!r}; give one of {', '.join(known)}")
        if self.coefficients is not None and self.calibration != UNCALIBRATED:
            raise ValueError(f"coefficients are given beside calibration {self.calibration!r}; leave one of them out")
        if self.coefficients is not None and not self.coefficients:
            raise ValueError("coefficients is empty; give at least one, or leave it out")
        published = CALIBRATIONS.get(self.calibration)
        if published is not None and (published.signal == _RET_SIGNAL) != self.use_ret_steps:
            raise ValueError(
                f"calibration {self.calibration!r} was fitted with use_ret_steps={not self.use_ret_steps}; set it so"
            )

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A threshold of zero."""
        return cls(rel_l1_thresh=0.0)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """A threshold nothing reaches: only the forced steps run."""
        return cls(rel_l1_thresh=1e6)

    def unsupported(self, family: Family) -> str | None:
        """A calibration of another family, or a signal this one lacks."""
        published = CALIBRATIONS.get(self.calibration)
        if published is not None and published.family != family.name:
            return f"calibration {self.calibration!r} was fitted for {published.family}, not for {family.name}"
        if self.signal(family) not in family.signals:
            return f"{family.name} has no signal {self.signal(family)!r}; it has {', '.join(family.signals) or 'none'}"
        return None

    def signal(self, family: Family) -> str:
        """Name of the family's signal that is compared."""
        published = CALIBRATIONS.get(self.calibration)
        if published is not None:
            return published.signal
        if self.use_ret_steps:
            return _RET_SIGNAL
        return family.signals[0] if family.signals else "modulated input"

    def polynomial(self) -> tuple[float, ...]:
        """The coefficients in force, highest power first."""
        published = CALIBRATIONS.get(self.calibration)
        if published is not None:
            return published.coefficients
        return self.coefficients if self.coefficients is not None else (1.0, 0.0)

    def is_forced(self, step_index: int, num_steps: int) -> bool:
        """Whether a step runs whatever the distance."""
        if self.use_ret_steps:
            return step_index < _RET_FULL_STEPS
        return step_index in (0, num_steps - 1)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedTeaCache(pipeline, family, self).install()


def evaluate(coefficients: Sequence[float], x: float) -> float:
    """The polynomial at `x`; coefficients highest power first, as numpy has them."""
    value = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value


def relative_change(modulated: Tensor, before: Tensor, ratio: Ratio = torch.div) -> Tensor:
    """mean|m - m_before| / mean|m_before|, a scalar."""
    return ratio((modulated - before).abs().mean(), before.abs().mean())


class Accumulator:
    """One branch's rule: adds up rescaled changes and says when they have become too large. No tensors."""

    def __init__(self, rel_l1_thresh: float, coefficients: Sequence[float]) -> None:
        """Start at 0."""
        self.rel_l1_thresh = rel_l1_thresh
        self.coefficients = tuple(coefficients)
        self.accumulated = 0.0

    def force(self) -> None:
        """A step runs whatever the change."""
        self.accumulated = 0.0

    def advance(self, change: float) -> tuple[bool, float]:
        """Take a step's relative change; whether the stack may be skipped, and the sum that was compared."""
        self.accumulated += evaluate(self.coefficients, change)
        compared = self.accumulated
        skip = self.rel_l1_thresh > 0 and compared < self.rel_l1_thresh
        if not skip:
            self.accumulated = 0.0
        return skip, compared


class _AppliedTeaCache(AppliedHooks):
    """Needs no `clear`: `reset` empties the store, and a branch with nothing stored starts anew."""

    def __init__(self, pipeline: Any, family: Family, method: TeaCache) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._rules: dict[Branch, Accumulator] = {}
        self._skip = False

    def attach_hooks(self) -> None:
        blocks = [block for _, blocks in self.family.block_lists(self.transformer) for block in blocks]
        self.attach_block_range(blocks, lambda: self._skip)
        signal = self.family.modulated_input(self.transformer, self._method.signal(self.family))
        self.attach_signal(signal, self._receive)

    def _receive(self, modulated: Tensor) -> None:
        call, told = self.controller.call, self.told()
        if told is not None:
            self._skip = told.action == "reuse"
            self.controller.decide(told.action, told.distance)
            self.store.put(("modulated input", call.branch), modulated)  # so that a replay holds what the video held
            return
        if call.branch not in self._rules:
            self._rules[call.branch] = Accumulator(self._method.rel_l1_thresh, self._method.polynomial())
        rule, key = self._rules[call.branch], ("modulated input", call.branch)
        if self._method.is_forced(call.step_index, call.num_steps) or key not in self.store:
            rule.force()
            self._skip = False
        else:
            self._skip, distance = rule.advance(relative_change(modulated, self.store.get(key), self.ratio).item())
            self.controller.decide("reuse" if self._skip else "compute", distance)
        self.store.put(key, modulated)
