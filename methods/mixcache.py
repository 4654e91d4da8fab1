"""MixCache: a cached step reuses the last output, the guidance difference or the first blocks' work."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from methods.base import Applied, Branch, Method, Sampling
from methods.families.base import Family
from methods.hooks import Call
from methods.hooks.block_outputs import BlockOutputs
from methods.hooks.branches import BranchHooks
from methods.hooks.context_parallel import Ratio
from methods.hooks.guidance import half_of

Level = Literal["step", "cfg", "block"]
Penalty = Literal["mode", "level", "none"]
Trigger = Literal["latch", "every_step"]
IntervalCounts = Literal["period", "cached"]

INTERVALS: Mapping[str, tuple[int, int, int]] = {"acc": (2, 3, 4), "eff": (3, 4, 5)}
"""The paper's N (section 3.3) where consecutive full outputs differ by delta2 or more, by less, by less than delta1."""

FULL = "full"


@dataclass(frozen=True)
class MixCache(Method):
    """Caches at three levels, chosen anew for each step by how much was changing and how much that level matters.

    Source: Wei et al., "Adaptive Hybrid Caching for Efficient Text-to-Video Diffusion Model Acceleration" (MixCache),
    arXiv 2508.12691, section 3 and Algorithm 1. There is no public code.

    Steps are full until the relative L1 change of the output, D_step, falls below `theta`. Then one in N steps is full
    and the others run in the mode whose P = D * I is smallest: `step` returns the last outputs; `cfg` runs the
    conditional branch and adds the last full step's difference between the branches to it; `block_i` does the same, but
    begins behind block i, whose output is remembered from the last time it ran. D is the relative L1 change of the
    output (step), the relative L1 difference of the branches (cfg) or the change of a block's output. N follows the
    change between consecutive full outputs: the greatest of `cache_interval` below `delta1`, the least from `delta2`.

    Ablations of Table 2: `hybrid + N=4` is `cache_interval=4`; `step only`, `cfg only` and `block only` are `levels` of
    one entry; `wo. pen` is `penalty="none"`; all but the first with `cache_interval="eff"`. Table 3 is `block_ids`.

    The profile (`theta`, `delta1`, `delta2`, `impact_*`) belongs to a model and a number of steps. Published are theta
    and the deltas: 0.1, (0.05, 0.1) for Wan 14B and HunyuanVideo, (0.3, 0.4) for CogVideoX 5B. The impacts are not; the
    defaults say what the text says, that cfg matters an order of magnitude more than the rest. `impact_blocks` has an
    entry for each of `block_ids` (or one for all), of one value for each step (or one for all).

    Chosen where the paper is silent or contradicts itself:

    * `interval_counts`: Algorithm 1 makes every N-th step full (`period`); the text counts N cached steps between full
      ones (`cached`).
    * `trigger`: the text lets D_step open the cache phase for good (`latch`); Algorithm 1 asks again in each step, so
      that steps with D_step >= theta are full and count for nothing else (`every_step`).
    * `initial_interval`: N until the first full step of the cache phase; None is the middle one.
    * `penalty`: the mode used in one step is out in the next, as `mode` (`block_10` excludes `block_10`) or as `level`
      (any block excludes all). It yields where nothing else is left, as in the one-level ablations.
    * What a step does not compute keeps its last D: after a step reuse D_step is not 0, since nothing was measured.
    * The first mode, too, is that of smallest P, measured at the last full step. Ties go to step, cfg, the first block.
    * D_step, D of blocks and of consecutive full outputs are the conditional branch's, which all modes but one compute.
    * Block ids count from 0 over all blocks in the order in which they run; None is a quarter, half and three quarters
      of the depth. In double-stream models both streams are remembered, and D is that of the video's.
    * Without guidance, and where it is embedded, there is no cfg mode and the single branch takes the place of cond.

    Memory: an output of each candidate block for the conditional branch, and at most four latents. On Wan 14B at 480p
    an output is 21 * 30 * 52 tokens * 5120 * 2 bytes = 0.3125 GiB. Table 3's 0.64, 1.27, 1.89 and 3.77 GB for 1, 2, 3
    and 6 candidates are two outputs a candidate and 0.016 GiB, as two float32 latents have. One is enough: block modes
    run the conditional branch alone, so that ours are 0.33, 0.64, 0.96 and 1.89 GiB.

    Difference: outputs are compared and reused per branch, where hooks see them; the paper's are the guided ones.
    """

    cache_interval: Literal["acc", "eff"] | int = "acc"
    levels: tuple[Level, ...] = ("step", "cfg", "block")
    block_ids: tuple[int, ...] | None = (10, 20, 30)
    penalty: Penalty = "mode"
    theta: float = 0.1
    delta1: float = 0.05
    delta2: float = 0.1
    impact_step: float = 1.0
    impact_cfg: float = 10.0
    impact_blocks: tuple[tuple[float, ...], ...] = ((1.0,),)
    trigger: Trigger = "latch"
    interval_counts: IntervalCounts = "period"
    initial_interval: int | None = None

    summary: ClassVar[str] = "whole steps, the guidance difference or leading blocks are reused, whichever harms least"
    source: ClassVar[str] = "arXiv 2508.12691 section 3, Algorithm 1"
    adaptive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "impact_blocks", tuple(tuple(values) for values in self.impact_blocks))
        if self.block_ids is not None:
            object.__setattr__(self, "block_ids", tuple(self.block_ids))
        for name, value, allowed in (
            ("penalty", self.penalty, get_args(Penalty)),
            ("trigger", self.trigger, get_args(Trigger)),
            ("interval_counts", self.interval_counts, get_args(IntervalCounts)),
            *(("levels", level, get_args(Level)) for level in self.levels),
        ):
            if value not in allowed:
                raise ValueError(f"{name} has {value!r}; give one of {', '.join(allowed)}")
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels is {self.levels}; give at least one, each once")
        if isinstance(self.cache_interval, str) and self.cache_interval not in INTERVALS:
            raise ValueError(f"cache_interval is {self.cache_interval!r}; give acc, eff or a number of steps")
        if min(*self.intervals(), self.initial_interval or 1) < 1 or self.initial_interval == 0:
            raise ValueError(f"cache_interval {self.cache_interval} and initial_interval must be at least 1")
        if self.theta < 0 or self.delta1 > self.delta2:
            raise ValueError(
                f"theta is {self.theta}, deltas are {self.delta1}, {self.delta2}; give theta >= 0 and delta1 <= delta2"
            )
        ids = self.block_ids
        if ids is not None and (not ids or len(set(ids)) < len(ids) or min(ids) < 0):
            raise ValueError(f"block_ids is {ids}; give different indices from 0, or None to take them from the depth")
        if len(self.impact_blocks) not in (1, 3 if ids is None else len(ids)) or not all(self.impact_blocks):
            raise ValueError(f"impact_blocks has {len(self.impact_blocks)} entries; give one for each block id, or one")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A threshold no change is below."""
        return cls(theta=0.0, block_ids=None)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """A threshold every change is below, and all modes alike: full are the first two steps and the last."""
        interval = max(2, default.num_inference_steps - 2)
        return cls(cache_interval=interval, theta=1e6, block_ids=None, impact_cfg=1.0)

    def unsupported(self, family: Family) -> str | None:
        """The cfg level alone, where guidance is embedded."""
        if self.levels == ("cfg",) and family.guidance == "embedded":
            return f"{family.name} embeds guidance in one call, so there is no guidance difference to cache"
        return None

    def intervals(self) -> tuple[int, int, int]:
        """N from `delta2`, between the deltas, below `delta1`."""
        if isinstance(self.cache_interval, str):
            return INTERVALS[self.cache_interval]
        return (self.cache_interval,) * 3

    def blocks(self, depth: int) -> tuple[int, ...]:
        """The candidate blocks of a model with `depth` blocks; none where the block level is off.

        Raises:
            ValueError: the model has too few.
        """
        if "block" not in self.levels:
            return ()
        if self.block_ids is None:
            return tuple(sorted({depth * quarter // 4 for quarter in (1, 2, 3)}))
        if max(self.block_ids) >= depth:
            raise ValueError(f"block_ids is {self.block_ids}, but the model has {depth} blocks; give ids below {depth}")
        return self.block_ids

    def impact(self, mode: str, blocks: Sequence[int], step_index: int, num_steps: int) -> float:
        """I of a mode at a step.

        Raises:
            ValueError: the impacts were profiled for another number of steps.
        """
        if mode in ("step", "cfg"):
            return self.impact_step if mode == "step" else self.impact_cfg
        values = self.impact_blocks[blocks.index(_block_of(mode)) if len(self.impact_blocks) > 1 else 0]
        if len(values) not in (1, num_steps):
            raise ValueError(
                f"impact_blocks is of {len(values)} steps, but the video has {num_steps}; profile MixCache for these"
            )
        return values[step_index if len(values) > 1 else 0]

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`."""
        return _AppliedMixCache(pipeline, family, self).install()


def relative_l1(value: Tensor, reference: Tensor, ratio: Ratio = torch.div) -> Tensor:
    """The paper's distance (equation 5), |value - reference| / |reference| in sums: a float32 scalar on the device."""
    return ratio((value - reference).abs().sum(dtype=torch.float32), reference.abs().sum(dtype=torch.float32))


def _block_of(mode: str) -> int:
    return int(mode.removeprefix("block_"))


class Rule:
    """Which mode a step runs in: `full`, `step`, `cfg` or `block_<i>`. No tensors."""

    def __init__(self, method: MixCache, blocks: Sequence[int]) -> None:
        """Begin a video; `blocks` are the candidates."""
        self._method, self._blocks = method, tuple(blocks)
        self.interval = method.initial_interval or method.intervals()[1]
        self.enabled = False
        self._scaling = False
        self._count = 0
        self._last = FULL
        self._known: dict[str, float] = {}

    def observe(self, distances: Mapping[str, float]) -> None:
        """Take what the last step measured: D by mode, and by `full` that of its output from the last full one's."""
        self._known.update(distances)
        if self._scaling and FULL in distances:
            low, middle, high = self._method.intervals()
            change = distances[FULL]
            self.interval = high if change < self._method.delta1 else middle if change < self._method.delta2 else low

    def choose(self, step_index: int, num_steps: int) -> tuple[str, float | None]:
        """The mode of a step, and what decided: P where it is a cached one, D_step otherwise (None while unknown)."""
        method, change = self._method, self._known.get("step")
        triggered = change is not None and change < method.theta
        self.enabled = triggered or (self.enabled and method.trigger == "latch")
        modes = self._modes()
        self._scaling = False
        if not self.enabled or not modes:
            self._last = FULL
            return FULL, change
        self._count = (self._count + 1) % (self.interval + (method.interval_counts == "cached"))
        if self._count == 0:
            self._scaling, self._last = True, FULL
            return FULL, change
        weighed = {mode: self._known[mode] * method.impact(mode, self._blocks, step_index, num_steps) for mode in modes}
        self._last = min(weighed, key=weighed.__getitem__)
        return self._last, weighed[self._last]

    def _modes(self) -> list[str]:
        """The modes that may be chosen, in the order in which they win ties."""
        levels = self._method.levels
        every = [mode for mode in ("step", "cfg") if mode in levels] + [f"block_{block}" for block in self._blocks]
        known = [mode for mode in every if mode in self._known]
        excluded = {"mode": self._last, "level": self._last.partition("_")[0], "none": FULL}[self._method.penalty]
        allowed = [mode for mode in known if excluded not in (mode, mode.partition("_")[0])]
        return allowed or known


class _AppliedMixCache(BranchHooks):
    """Holds, per video: both branches' last outputs, the last full conditional one, the last full difference of the
    branches, and each candidate block's last conditional output."""

    def __init__(self, pipeline: Any, family: Family, method: MixCache) -> None:
        super().__init__(pipeline, family, root_only="block" not in method.levels)
        self._method = method
        self._blocks: tuple[int, ...] = ()
        self._mode = FULL
        self.clear()

    def attach_hooks(self) -> None:
        if "block" in self._method.levels and self.family.block_lists(self.transformer):
            stack = self.family.stack(self.transformer)
            self._blocks = self._method.blocks(len(stack))
            streams = self.family.block_streams
            outputs = BlockOutputs(self._blocks, streams, self._start, self._cached_block, self._receive_block)
            for module, hook in outputs.hooks(stack):
                self._attach(module, hook)

    def clear(self) -> None:
        self._rule = Rule(self._method, self._blocks)
        self._pending: dict[str, Tensor] = {}

    def begin_call(self, call: Call) -> None:
        told = self.told()
        if told is not None:
            self._mode = FULL if told.action == "compute" else told.level or "step"
            self.controller.decide(told.action, told.distance, told.level)
            return
        self._mode, distance = self.controller.once_per_step(lambda: self._choose(call))
        if self._mode == FULL:
            self.controller.decide("compute", distance)
        else:
            whole = self._mode == "step" or call.branch == "uncond"
            self.controller.decide("reuse" if whole else "partial", distance, self._mode)

    def _choose(self, call: Call) -> tuple[str, float | None]:
        for block in self._blocks:
            # In the first step, so that a profile of another number of steps is refused there.
            self._method.impact(f"block_{block}", self._blocks, call.step_index, call.num_steps)
        if self._pending:
            # The step's one transfer from the device.
            values = torch.stack(list(self._pending.values())).tolist()
            self._rule.observe(dict(zip(self._pending, values, strict=True)))
            self._pending = {}
        return self._rule.choose(call.step_index, call.num_steps)

    def runs(self, branch: Branch) -> bool:
        return self._mode == FULL or (self._mode != "step" and branch == "cond")

    def computed(self, branch: Branch, sample: Tensor) -> None:
        """Measure and remember an output."""
        if branch == "uncond":
            self._measure("cfg", sample, ("output", "cond"))
            self.store.put("guidance difference", sample.float() - self.store.get(("output", "cond")).float())
        else:
            self._measure("step", sample, ("output", "cond"))
            if self._mode == FULL:
                self._measure(FULL, sample, "full output")
                self.store.put("full output", sample)
        self.store.put(("output", branch), sample)

    def made(self, branch: Branch) -> Tensor:
        """The last output, or the unconditional one by the last full step's difference between the branches."""
        if self._mode != "step":
            cond = self.store.get(("output", "cond"))
            self.store.put(("output", branch), (cond.float() + self.store.get("guidance difference")).to(cond.dtype))
        output: Tensor = self.store.get(("output", branch))
        return output

    def _measure(self, name: str, value: Tensor, key: Hashable, of: int | None = None) -> None:
        """Measure against what is cached under a key, if anything is: that tensor, or number `of` of those."""
        if self.told() is None and key in self.store:
            reference = self.store.get(key)
            self._pending[name] = relative_l1(value, reference if of is None else reference[of], self.ratio)

    def _start(self) -> int | None:
        return _block_of(self._mode) if self._mode.startswith("block_") else None

    def _cached_block(self, block: int) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.store.get(("block", block))
        return outputs

    def _receive_block(self, block: int, outputs: tuple[Tensor, ...]) -> None:
        """Measure and remember a candidate's output; the unconditional branch never begins behind a block."""
        if "cond" not in self.running:
            return
        if len(self.running) > 1:
            # A view would keep the other half alive.
            outputs = tuple(half_of(self.family, value, "cond").clone() for value in outputs)
        # The first stream holds the video.
        self._measure(f"block_{block}", outputs[0], ("block", block), of=0)
        self.store.put(("block", block), outputs)
