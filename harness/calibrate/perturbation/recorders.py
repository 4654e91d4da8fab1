"""Recorders of the original: how similar consecutive outputs are at each level, and how much an error there matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from harness.calibrate.base import Curves, Recorder, Subject
from harness.calibrate.perturbation.noise import Noise
from methods.families.base import Family
from methods.hooks.block_outputs import BlockOutputs
from methods.hooks.guidance import conditional_half, half_of, is_guided, sample_of
from methods.mixcache import relative_l1

Streams = tuple[Tensor, ...]
Forward = Callable[..., Any]


def guidance_of(subject: Subject) -> float:
    """The scale w of `uncond + w (cond - uncond)`; 1 where a step has one call without guidance."""
    sampling = subject.sampling
    if subject.family.guidance == "embedded":
        return sampling.true_cfg_scale or 1.0
    return sampling.guidance_scale


class LevelRecorder(Recorder):
    """Takes every step apart into the conditional and the unconditional output and the outputs of chosen blocks."""

    def __init__(self, subject: Subject, curves: Curves, blocks: tuple[int, ...]) -> None:
        """`blocks` are depths, counted from 0."""
        super().__init__(subject, curves)
        self.scale = guidance_of(subject)
        self._blocks = blocks
        self._start: int | None = None
        self._replacement: Streams = ()
        self._both_guided = False

    def attach_hooks(self) -> None:
        """Listen to the blocks."""
        outputs = BlockOutputs(
            self._blocks,
            self.family.block_streams,
            lambda: self._start,
            lambda block: self._replacement,
            self._receive,
        )
        for module, hook in outputs.hooks(self.family.stack(self.transformer)):
            self._attach(module, hook)

    def run_call(self, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the call as it is, then hand on what it gave."""
        branch = self.controller.call.branch
        self._both_guided = branch == "both" and is_guided(self.family, self.transformer, args, kwargs)
        output = forward(*args, **kwargs)
        sample = sample_of(output)
        if self._both_guided:
            halved = conditional_half(self.family, self.transformer, args, kwargs)
            cond, uncond = (half_of(self.family, sample, half).float() for half in ("cond", "uncond"))
            self.received_cond(cond, lambda: sample_of(forward(*halved[0], **halved[1])).float())
            self.received_step(cond, uncond)
        elif branch == "uncond":
            self.received_step(self.store.get("cond"), sample.float())
        else:
            cond = sample.float()
            self.received_cond(cond, lambda: sample_of(forward(*args, **kwargs)).float())
            if self.scale > 1 and branch == "cond":
                self.store.put("cond", cond)
            else:
                self.received_step(cond, None)
        return output

    def run_behind(self, block: int, streams: Streams, run: Callable[[], Tensor]) -> Tensor:
        """The output of a call that begins behind a block, with these streams in place of what the block returned."""
        self._start, self._replacement = block, streams
        try:
            return run()
        finally:
            self._start, self._replacement = None, ()

    def guided(self, cond: Tensor, uncond: Tensor | None) -> Tensor:
        """What guidance makes of the branches."""
        return cond if uncond is None else uncond + self.scale * (cond - uncond)

    def received_block(self, block: int, streams: Streams) -> None:
        """A candidate block returned these streams in the conditional branch."""

    def received_cond(self, cond: Tensor, run: Callable[[], Tensor]) -> None:
        """The conditional output, in float32, and how to make it again; before `received_step`."""

    def received_step(self, cond: Tensor, uncond: Tensor | None) -> None:
        """All outputs of a step, in float32; no unconditional one without guidance."""

    def _receive(self, block: int, streams: Streams) -> None:
        if self._start is not None or self.controller.call.branch == "uncond":
            return
        if self._both_guided:
            streams = tuple(half_of(self.family, value, "cond") for value in streams)
        self.received_block(block, streams)


class RedundancyRecorder(LevelRecorder):
    """D of each level, and mean and standard deviation of the error that caching at that level would make.

    `levels` names what an error was measured for: `step`, `cfg`, `block_10`, and `block_10.<stream>` for the streams
    after the first.
    """

    def __init__(self, subject: Subject, curves: Curves, blocks: tuple[int, ...], *, shifted: bool) -> None:
        """`shifted`: see `MixCacheCalibration.cfg_stand_in`."""
        super().__init__(subject, curves, blocks)
        self._shifted = shifted
        self.levels: dict[str, None] = {}

    def received_block(self, block: int, streams: Streams) -> None:
        """Compare with the last step's."""
        key = ("block", block)
        if key in self.store:
            before = self.store.get(key)
            self.note(f"distance.block_{block}", relative_l1(streams[0], before[0]).item(), "cond")
            for level, value, last in zip(stream_levels(self.family, block), streams, before, strict=True):
                self._error(level, "cond", value.float() - last.float())
        self.store.put(key, streams)

    def received_step(self, cond: Tensor, uncond: Tensor | None) -> None:
        """Compare with the last step's."""
        if "last cond" in self.store:
            self.note("distance.step", relative_l1(cond, self.store.get("last cond")).item(), "cond")
        self.store.put("last cond", cond)
        output = self.guided(cond, uncond)
        if "last output" in self.store:
            self._error("step", "guided", output - self.store.get("last output"))
        self.store.put("last output", output)
        if uncond is None:
            return
        self.note("distance.cfg", relative_l1(uncond, cond).item(), "both")
        difference = uncond - cond
        if not self._shifted:
            self._error("cfg", "uncond", difference)
        elif "last difference" in self.store:
            self._error("cfg", "uncond", difference - self.store.get("last difference"))
        self.store.put("last difference", difference)

    def _error(self, level: str, branch: str, error: Tensor) -> None:
        self.levels[level] = None
        self.note(f"error_mean.{level}", error.mean().item(), branch)
        self.note(f"error_std.{level}", error.std().item(), branch)


class ImpactRecorder(LevelRecorder):
    """How far the guided output moves, relatively, when noise of the size of a level's error is added there."""

    def __init__(
        self, subject: Subject, curves: Curves, blocks: tuple[int, ...], noise: Mapping[str, Noise], seed: int
    ) -> None:
        """`noise` by level as `RedundancyRecorder` names them; `seed` is the noise's, each video anew."""
        super().__init__(subject, curves, blocks)
        self._noise, self._seed = noise, seed

    def clear(self) -> None:
        """Begin the noise anew."""
        self._generator = torch.Generator().manual_seed(self._seed)
        self._streams: dict[int, Streams] = {}
        self._moved: dict[int, Tensor] = {}

    def received_block(self, block: int, streams: Streams) -> None:
        """Remember it for `received_cond`."""
        self._streams[block] = streams

    def received_cond(self, cond: Tensor, run: Callable[[], Tensor]) -> None:
        """Run again behind each block with noise on what it returned."""
        for block, streams in self._streams.items():
            noisy = tuple(
                value + self._noise[level].like(value, self._generator).to(value.dtype)
                for level, value in zip(stream_levels(self.family, block), streams, strict=True)
            )
            self._moved[block] = self.run_behind(block, noisy, run) - cond
        self._streams = {}

    def received_step(self, cond: Tensor, uncond: Tensor | None) -> None:
        """Weigh all levels."""
        output = self.guided(cond, uncond)
        self._impact("step", output + self._noise["step"].like(output, self._generator), output)
        if uncond is not None:
            noisy = uncond + self._noise["cfg"].like(uncond, self._generator)
            self._impact("cfg", self.guided(cond, noisy), output)
        for block, moved in self._moved.items():
            self._impact(f"block_{block}", output + moved, output)
        self._moved = {}

    def _impact(self, level: str, perturbed: Tensor, output: Tensor) -> None:
        self.note(f"impact.{level}", relative_l1(perturbed, output).item(), "guided")


def stream_levels(family: Family, block: int) -> tuple[str, ...]:
    """Names of the streams a block returns: the video's is the block's own."""
    return (f"block_{block}", *(f"block_{block}.{name}" for name in family.block_streams[1:]))
