"""A pipeline that stays loaded, the row in force on it, and the measuring of one generation after another."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from harness.discovery import load_family, load_method
from harness.errors import InvalidVideoError, ModelError
from harness.images import open_first_frame
from harness.loaded_model import check_rung, loaded_model
from harness.measure.clock import Clock
from harness.measure.flops import FlopMeter
from harness.measure.memory import PeakMemory
from harness.measure.stages import StageFlops, count_stages, first_steps, watch_stages
from harness.metrics.base import Frames
from harness.records import DecisionRecord, Flops, Latency, Memory
from harness.task import CellTask, ModelSpec
from methods.base import Applied, Sampling
from methods.families.base import Family
from methods.hooks.context_parallel import context_parallel, why_not

WARM_UP_STEPS = 2


@dataclass(frozen=True, slots=True)
class Made:
    """What one generation gave."""

    frames: Frames
    latency: Latency
    flops: Flops
    memory: Memory
    nfe: float
    noise_sha256: str | None
    decisions: tuple[DecisionRecord, ...]


class Resident:
    """A loaded pipeline with its meter, and the row in force on it."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self.spec = spec
        self._device = device
        self._family: Family = load_family(spec.family)
        self._always = ExitStack()
        self._pipeline = self._always.enter_context(loaded_model(self._family, spec, device))
        self._meter = self._always.enter_context(FlopMeter(self._family.transformer(self._pipeline), self._family))
        self._row: ExitStack | None = None
        self._row_key: str | None = None
        self._applied: Applied | None = None
        self._stage_flops: dict[tuple[Any, ...], StageFlops] = {}
        if spec.parallel is not None:
            parallel = spec.parallel
            reason = why_not(self._family.transformer(self._pipeline), parallel.ulysses, parallel.ring, device)
            if reason is not None:
                self._always.close()
                raise ModelError(f"model {spec.model!r} ({spec.label}) cannot be spread over devices: {reason}")

    def generate(self, task: CellTask) -> Made:
        """Make one video under the task's row, measured. Applies the row's method first where another is in force.

        Of a model that is spread over devices this is one rank's part: its arithmetic, its memory, and the whole video.
        """
        sampling = Sampling(**task.key.sampling)
        applied = self.enter_row(task, sampling)
        image = _first_frame(task, sampling)
        applied.reset()
        self._meter.reset()
        memory = PeakMemory(self._device)
        memory.start()
        clock = Clock(self._device)
        with watch_stages(self._pipeline, clock) as stages:
            start = clock.mark()
            video = self._call(task, sampling, image)
            latency = stages.latency(start, clock.mark())
        peak = memory.stop(applied.cache_bytes())
        frames = _to_frames(video, sampling)
        denoiser = self._meter.denoiser_flops()
        outside = self._stage_flops[_shape_of(sampling)]
        flops = Flops(
            denoiser=denoiser,
            text_encode=outside.text_encode,
            decode=outside.decode,
            unseen_ops=tuple(sorted({*outside.unseen_ops, *self._meter.unseen_ops()})),
        )
        nfe = denoiser / self._meter.full_forward_flops()
        return Made(frames, latency, flops, peak, nfe, stages.noise_sha256, _decisions(applied))

    def enter_row(self, task: CellTask, sampling: Sampling) -> Applied:
        """Apply the row's method and run it once, untimed and short: kernels get chosen and costs get learned.

        Does nothing where that row is in force already.
        """
        if self._applied is not None and self._row_key == task.row_key:
            return self._applied
        self.leave_row()
        method = load_method(task.key.method)(**_as_config(task.key.config) | _rungs(task))
        shape, image = _shape_of(sampling), _first_frame(task, sampling)
        short = replace(sampling, num_inference_steps=min(WARM_UP_STEPS, sampling.num_inference_steps))
        if shape not in self._stage_flops:
            # Without a method, and whole on each device: this also teaches the meter what a full call costs.
            with self._family.scheduled(self._pipeline, short), count_stages(self._pipeline) as found:
                self._call_whole(task, short, image)
            self._stage_flops[shape] = found[0]
        with ExitStack() as row:
            row.enter_context(self._family.scheduled(self._pipeline, sampling))
            applied = row.enter_context(method.apply(self._pipeline, self._family))
            applied.reset()
            # The first steps of the row's own schedule: a method may be made for this number of steps only.
            first_steps(self._pipeline, short.num_inference_steps, lambda: self._call(task, sampling, image))
            self._row = row.pop_all()
        self._applied, self._row_key = applied, task.row_key
        return applied

    @property
    def row_key(self) -> str | None:
        """Of the row in force."""
        return self._row_key

    def leave_row(self) -> None:
        """Take the method off the pipeline."""
        row, self._row, self._row_key, self._applied = self._row, None, None, None
        if row is not None:
            row.close()

    def close(self) -> None:
        """Take everything off the pipeline."""
        self.leave_row()
        self._always.close()

    def _call(self, task: CellTask, sampling: Sampling, image: Any) -> Any:
        parallel = self.spec.parallel
        if parallel is None:
            return self._call_whole(task, sampling, image)
        transformer = self._family.transformer(self._pipeline)
        with context_parallel(transformer, parallel.ulysses, parallel.ring, self._device):
            return self._call_whole(task, sampling, image)

    @torch.no_grad()
    def _call_whole(self, task: CellTask, sampling: Sampling, image: Any) -> Any:
        arguments = self._family.call_arguments(task.key.prompt, sampling, image)
        generator = torch.Generator(self._device).manual_seed(task.key.seed)
        return self._family.videos(self._pipeline(**arguments, generator=generator, output_type="np"))[0]


def _decisions(applied: Applied) -> tuple[DecisionRecord, ...]:
    return tuple(
        DecisionRecord(**{field.name: getattr(decision, field.name) for field in fields(decision)})
        for decision in applied.decisions()
    )


def _first_frame(task: CellTask, sampling: Sampling) -> Any:
    return task.first_frame and open_first_frame(task.first_frame, sampling.width, sampling.height)


def _rungs(task: CellTask) -> dict[str, str]:
    """The folders of the task's rungs.

    Raises:
        ModelError: what is in one is not what was planned.
    """
    for field, folder in task.rungs:
        check_rung(folder, task.key.config[field])
    return dict(task.rungs)


def _shape_of(sampling: Sampling) -> tuple[Any, ...]:
    """What the cost of one step, of text encoding and of decoding depends on. Without guidance, one text is encoded."""
    guided = (sampling.guidance_scale > 1, (sampling.true_cfg_scale or 1) > 1)
    return (sampling.height, sampling.width, sampling.num_frames, sampling.max_sequence_length, guided)


def _as_config(config: dict[str, Any]) -> dict[str, Any]:
    """Fields as the method's dataclass wants them: JSON has no tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def _to_frames(video: Any, sampling: Sampling) -> Frames:
    """8-bit frames of a video in [0, 1].

    Raises:
        InvalidVideoError: it holds NaN or infinity, or its shape is not the one asked for.
    """
    video = np.asarray(video)
    expected = (sampling.num_frames, sampling.height, sampling.width, 3)
    if video.shape != expected:
        raise InvalidVideoError(f"video has shape {video.shape}, the sampling asks for {expected}")
    finite = np.isfinite(video).all()
    if not finite:
        raise InvalidVideoError("video holds NaN or infinity; try dtype: float32, or look at the method's step trace")
    frames: Frames = (video * 255).round().clip(0, 255).astype(np.uint8)
    return frames
