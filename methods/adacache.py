"""AdaCache: how much an attention's output changed between full steps says how many steps may be skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from methods.base import Applied, Branch, Method, MethodError, Sampling
from methods.families.base import Family, Signal
from methods.hooks import AppliedHooks, Call
from methods.hooks.context_parallel import Ratio, of_all_ranks


@dataclass(frozen=True, slots=True)
class Codebook:
    """Which rate follows from which distance: that of the first threshold the distance is below, else the last rate.

    `moreg_window` is where motion regularisation acts, as shares of the number of steps.
    """

    thresholds: tuple[float, ...]
    rates: tuple[int, ...]
    moreg_window: tuple[float, float] = (0.1, 0.9)

    def rate(self, distance: float) -> int:
        """Steps from one full step to the next; 1 skips none."""
        pairs = zip(self.thresholds, self.rates, strict=True)
        return next((rate for threshold, rate in pairs if distance < threshold), self.rates[-1])


CUSTOM = "custom"

_THRESHOLDS_30 = (0.08, 0.16, 0.24, 0.32, 0.40, 1.00)
_WINDOW_30 = (4 / 30, 26 / 30)

# The 30-step books and fast_100: supplementary section A.2 and the repository's configs/sample.py. Of the two other
# 100-step ones the paper's table 3f prints rates alone; here they take as many of fast_100's thresholds.
CODEBOOKS: Mapping[str, Codebook] = MappingProxyType(
    {
        "fast_30": Codebook(_THRESHOLDS_30, (6, 5, 4, 3, 2, 1), _WINDOW_30),
        "slow_30": Codebook(_THRESHOLDS_30, (3, 2, 1, 1, 1, 1), _WINDOW_30),
        "fast_100": Codebook((0.03, 0.05, 0.07, 0.09, 0.11, 1.00), (12, 10, 8, 6, 4, 3)),
        "medium_100": Codebook((0.03, 0.05, 0.07, 0.09, 1.00), (8, 6, 4, 2, 1)),
        "slow_100": Codebook((0.03, 1.00), (2, 1)),
    }
)
"""Codebooks on Open-Sora by name; the number is that of the steps they were made for."""


@dataclass(frozen=True)
class AdaCache(Method):
    """Skips the block stack for a number of steps that follows from how fast one attention's output changes.

    Source: Kahatapitiya et al., "Adaptive Caching for Faster Video Generation with Diffusion Transformers",
    arXiv 2411.02397, section 3 and supplementary section A.2; repository AdaCache-DiT/AdaCache@2c6d3ca,
    `opensora_base/opensora/models/stdit/stdit3.py`, whose names the fields have.

    Steps count from 1 to T. Steps 1, 2, T - 1 and T are full. At a full step, with a the attention output of block
    `cache_loc` (from 0; None is the middle one) and a_before that at the last full step, the distance is
    |a_before - a|_1 / |a_before|_1 / rate, `rate` being the one in force, 1 at first. `codebook` turns it into the new
    rate, and the next full step is that many steps later. At the steps between, everything the blocks add to their
    input is taken from the last full step. One rate rules all blocks.

    `codebook` is one of `CODEBOOKS`, or `custom` with `codebook_thresholds` (ascending) and `codebook_rates`. The
    published ones are Open-Sora's, for 30 and 100 steps; for another model or number of steps calibrate.

    `apply_moreg` regularises by motion: m is the mean over `moreg_strides` s of |a[s:] - a[:-s]| / (|a[s:]| + |a[:-s]|)
    along frames. With (c, p, d) = `moreg_hyp`, M is (m / c)^p / d at steps within `moreg_steps` (first and last,
    counted from 1), else 1, and the distance is multiplied by M + |`mograd_mul` (M - M_before) / rate|, M_before being
    that of the last full step, 1 at first. None as `moreg_steps` is the published 4 to 26 of 30 for a 30-step codebook
    and 10 to 90 of 100 for others, scaled to T. The constants are tuned to Open-Sora's attention.

    Differences: a is the self-attention module's output from before its gate, where the repository reads it after,
    so distances lack the gate's own change; of several self-attentions in a block the last counts (the temporal one of
    Latte, as of Open-Sora), and of several streams the video's. Blocks are replaced by one residual of the whole
    stack: since all share one rate that is the sum the repository adds in parts, two for each block, so results agree
    but for rounding while the memory held here is far less. Where guidance is two calls each branch has its own rate
    and caches, as in LightX2V's port; where both are one call the distance is taken over both, as in the repository.
    Only one block is read, where the repository can average several. Norms are summed in float32. M_before starts
    anew with each video, where the repository carries it over. Nothing is measured at steps T - 1 and T, whose rate
    nobody uses.
    """

    codebook: str = "fast_30"
    codebook_thresholds: tuple[float, ...] | None = None
    codebook_rates: tuple[int, ...] | None = None
    cache_loc: int | None = None
    apply_moreg: bool = False
    moreg_strides: tuple[int, ...] = (1,)
    moreg_steps: tuple[int, int] | None = None
    moreg_hyp: tuple[float, float, float] = (0.385, 8.0, 1.0)
    mograd_mul: float = 10.0

    summary: ClassVar[str] = "a video that changes little between full steps can go many steps without the next one"
    source: ClassVar[str] = "arXiv 2411.02397 section 3, A.2; AdaCache-DiT/AdaCache@2c6d3ca"
    adaptive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        for name in ("codebook_thresholds", "codebook_rates", "moreg_strides", "moreg_steps", "moreg_hyp"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(value))
        if self.codebook not in (*CODEBOOKS, CUSTOM):
            raise ValueError(f"codebook is {self.codebook!r}; give one of {', '.join((*CODEBOOKS, CUSTOM))}")
        thresholds, rates = self.codebook_thresholds, self.codebook_rates
        if self.codebook != CUSTOM and (thresholds or rates):
            raise ValueError(f"thresholds or rates are given beside codebook {self.codebook!r}; set it to {CUSTOM}")
        if self.codebook == CUSTOM and not (thresholds and rates and len(thresholds) == len(rates)):
            raise ValueError(
                f"codebook_thresholds is {thresholds} and codebook_rates is {rates}; give equally many of both"
            )
        if thresholds and (list(thresholds) != sorted(set(thresholds)) or thresholds[0] <= 0):
            raise ValueError(f"codebook_thresholds is {thresholds}; give positive ones, ascending")
        if rates and min(rates) < 1:
            raise ValueError(f"codebook_rates is {rates}; give at least 1 each (1 skips no step)")
        if self.cache_loc is not None and self.cache_loc < 0:
            raise ValueError(f"cache_loc is {self.cache_loc}; give 0 for the first block, or more")
        if not self.moreg_strides or min(self.moreg_strides) < 1:
            raise ValueError(f"moreg_strides is {self.moreg_strides}; give at least one, of 1 frame or more")
        if self.moreg_steps is not None and len(self.moreg_steps) != 2:
            raise ValueError(f"moreg_steps is {self.moreg_steps}; give the first and the last step, counted from 1")
        if len(self.moreg_hyp) != 3 or self.moreg_hyp[0] <= 0 or self.moreg_hyp[2] <= 0:
            raise ValueError(f"moreg_hyp is {self.moreg_hyp}; give a positive scale, an exponent, a positive divisor")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A codebook of rate 1."""
        return cls(codebook=CUSTOM, codebook_thresholds=(1.0,), codebook_rates=(1,))

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """A codebook whose rate never ends."""
        return cls(codebook=CUSTOM, codebook_thresholds=(1.0,), codebook_rates=(default.num_inference_steps,))

    def unsupported(self, family: Family) -> str | None:
        """Motion regularisation on images."""
        if self.apply_moreg and "F" not in family.latent_layout:
            return f"apply_moreg compares frames, and {family.name} makes single images; leave it out"
        return None

    def book(self) -> Codebook:
        """The codebook in force."""
        if self.codebook == CUSTOM:
            return Codebook(self.codebook_thresholds or (), self.codebook_rates or ())
        return CODEBOOKS[self.codebook]

    def moreg_range(self, num_steps: int) -> tuple[int, int]:
        """First and last step, counted from 1, at which motion regularisation acts."""
        if self.moreg_steps is not None:
            return self.moreg_steps
        first, last = self.book().moreg_window
        return round(first * num_steps), round(last * num_steps)

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            MethodError: there is no block `cache_loc`, or no self-attention in it.
        """
        return _AppliedAdaCache(pipeline, family, self).install()


class RateRule:
    """One branch's rule: which steps are full, and what rate follows from what was measured. No tensors."""

    def __init__(self, method: AdaCache, num_steps: int) -> None:
        """Start at rate 1, before the first step."""
        self._method, self._book, self._num_steps = method, method.book(), num_steps
        self.rate = 1
        self._last = 0
        self._moreg = 1.0

    def is_full(self, step_index: int) -> bool:
        """Whether a step, counted from 0, is full."""
        step = step_index + 1
        return step in (1, self._num_steps - 1, self._num_steps) or step == self._last + self.rate

    def enter(self, step_index: int) -> None:
        """A full step begins."""
        self._last = step_index + 1

    def is_measured(self, step_index: int) -> bool:
        """Whether what a full step measures can have an effect: not at the last two steps, which are full anyway."""
        return step_index + 1 < self._num_steps - 1

    def measure(self, change: float, motion: float | None) -> float:
        """Take what was measured at the full step in progress, choose the next rate; the distance it follows from.

        `change` is relative, between this full step and the last; `motion` is m, None without regularisation.
        """
        distance = change / self.rate
        if motion is not None:
            distance *= self._regularisation(motion)
        self.rate = self._book.rate(distance)
        return distance

    def _regularisation(self, motion: float) -> float:
        first, last = self._method.moreg_range(self._num_steps)
        scale, exponent, divisor = self._method.moreg_hyp
        moreg = (motion / scale) ** exponent / divisor if first <= self._last <= last else 1.0
        gradient = self._method.mograd_mul * (moreg - self._moreg) / self.rate
        self._moreg = moreg
        return moreg + abs(gradient)


def relative_change(before: Tensor, after: Tensor, ratio: Ratio = torch.div) -> Tensor:
    """|before - after|_1 / |before|_1 over all elements, in float32."""
    return ratio(_norm(before - after), _norm(before))


def motion_score(attention: Tensor, num_frames: int, strides: Sequence[int]) -> Tensor:
    """How much an attention output [batch, frames * tokens, width] differs between frames; 0 is still, 1 the most.

    Raises:
        MethodError: the tokens are not `num_frames` frames, or there is no pair of frames so far apart.
    """
    tokens, stride = attention.shape[1], max(strides)
    if tokens % num_frames or num_frames <= stride:
        found = f"motion of {tokens} tokens in {num_frames} frames has no stride {stride}"
        raise MethodError(f"{found}; make more frames, or leave apply_moreg out")
    frames = attention.reshape(attention.shape[0], num_frames, -1, attention.shape[-1])
    scores = [
        _norm(frames[:, stride:] - frames[:, :-stride]) / (_norm(frames[:, stride:]) + _norm(frames[:, :-stride]))
        for stride in strides
    ]
    return torch.stack(scores).mean()


def _norm(value: Tensor) -> Tensor:
    # Summed in float32, since a sum of millions of bfloat16 values has no precision left.
    norm: Tensor = torch.linalg.vector_norm(value, ord=1, dtype=torch.float32)
    return norm


def measured_attention(family: Family, transformer: nn.Module, cache_loc: int | None) -> Signal:
    """The output of the last self-attention in block `cache_loc`, the video's tokens of it; None is the middle block.

    Raises:
        MethodError: there is no such block, or no self-attention in it.
    """
    stack, name = family.stack(transformer), type(transformer).__name__
    index = (len(stack) - 1) // 2 if cache_loc is None else cache_loc
    if index >= len(stack):
        raise MethodError(
            f"cache_loc is {index}; {name} has {len(stack)} blocks, give 0 to {len(stack) - 1} or leave it out"
        )
    children = {module for block in stack[index] for module in block.modules()}
    found = [
        cached.module
        for cached in family.cached_modules(transformer)
        if cached.kind == "self_attention" and cached.module in children
    ]
    if not found:
        raise MethodError(f"cache_loc is {index}; that block of {name} has no self-attention, give another one")
    return Signal(found[-1], "output", lambda output: output if isinstance(output, Tensor) else output[0])


class _AppliedAdaCache(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: AdaCache) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._rules: dict[Branch, RateRule] = {}
        self._skip = False
        self._num_frames = 1

    def attach_hooks(self) -> None:
        blocks = [module for block in self.family.stack(self.transformer) for module in block]
        self.attach_block_range(blocks, lambda: self._skip)
        signal = measured_attention(self.family, self.transformer, self._method.cache_loc)
        self.attach_signal(signal, self._receive)

    def begin_call(self, call: Call) -> None:
        told = self.told()
        if told is not None:
            self._skip = told.action != "compute"
            self.controller.decide("reuse" if self._skip else "compute", told.distance)
            return
        rule = self._rules.setdefault(call.branch, RateRule(self._method, call.num_steps))
        self._skip = not rule.is_full(call.step_index)
        if self._skip:
            self.controller.decide("reuse")
        else:
            rule.enter(call.step_index)

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._method.apply_moreg:
            hidden_states = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
            self._num_frames = self.family.token_frames(self.transformer, hidden_states)
        return super().run_call(forward, args, kwargs)

    def clear(self) -> None:
        self._rules = {}

    def _receive(self, attention: Tensor) -> None:
        call = self.controller.call
        key = ("attention", call.branch)
        rule = self._rules[call.branch] if self.told() is None else None
        if rule is not None and not rule.is_measured(call.step_index):
            return
        if rule is not None and key in self.store:
            measured = [relative_change(self.store.get(key), attention, self.ratio)]
            if self._method.apply_moreg:
                whole = of_all_ranks(self.transformer, attention)
                measured.append(motion_score(whole, self._num_frames, self._method.moreg_strides))
            change, *motion = torch.stack(measured).tolist()
            self.controller.decide("compute", rule.measure(change, motion[0] if motion else None))
        self.store.put(key, attention)
