"""Makes one cell after another with one resident pipeline: load, apply, warm up, generate, score, restore.

Plain Python, no Ray and no MLflow, so that the same code runs in an actor, in a test and on a bare GPU machine.
Everything a cell leaves behind is in the store before `run` returns: video, lossless copy, sidecar, scores. The
sidecar is written after the video, and says that the cell is made.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import harness.shapes.autoencoder  # noqa: F401  # diffusers loads only classes whose module is imported already
from harness.discovery import load_family, load_method, load_metric
from harness.environment import describe_environment
from harness.errors import HarnessError, InvalidVideoError, MetricUnavailableError, ModelError, StoreError
from harness.measure.clock import Clock
from harness.measure.flops import FlopMeter
from harness.measure.memory import PeakMemory
from harness.measure.stages import StageFlops, Stages, count_stages, watch_stages
from harness.metrics.base import Frames, Metric
from harness.records import CellRecord, DecisionRecord, Flops, Latency, Memory, ScoreRecord, Status
from harness.store import Store
from harness.task import CellTask, ModelSpec
from harness.video import frames_sha256, read_video, write_lossless, write_mp4
from methods.base import Applied, Sampling
from methods.families.base import Family

LOGGER = logging.getLogger(__name__)
WARM_UP_STEPS = 2


def best_device() -> str:
    """The first CUDA device, or the CPU."""
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def lossless_path(cell_id: str) -> str:
    """Where the lossless copy of a cell lies below the store's root."""
    return f"lossless/{cell_id[:2]}/{cell_id}.mkv"


class Worker:
    """Holds at most one pipeline. Not thread-safe: one cell at a time."""

    def __init__(self, store_root: str, device: str | None = None) -> None:
        self._store = Store(store_root)
        self._device = device or best_device()
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._environment = describe_environment(self._device)
        self._resident: _Resident | None = None
        self._metrics: dict[str, Metric] = {}

    def run(self, task: CellTask, attempt: int = 1) -> CellRecord:
        """Make and score one cell. A cell that fails gives a record that says so; nothing is raised for it."""
        started_at = time.time()
        try:
            existing = self._store.cells([task.cell_id]).get(task.cell_id)
            metrics = self._unscored(task)
            if existing is not None and not metrics and self._is_kept(task):
                return existing
            record, frames = self._make(task, existing, attempt, started_at)
            self._score(task, metrics, frames)
            if task.reference_cell_id is not None:
                self._store.remove(lossless_path(task.cell_id))
            return record
        except Exception as error:
            status, reason = _status_of(error), _reason(error)
        # Only now, since the error's traceback holds on to the tensors of the generation that failed.
        self._drop_row()
        if status is Status.OOM:
            self._drop_pipeline()
        return self._record(task, attempt, started_at, status=status, reason=reason)

    def close(self) -> None:
        """Restore and let go of the pipeline."""
        self._drop_pipeline()

    def _is_kept(self, task: CellTask) -> bool:
        """Whether the lossless copy is there if it should be: an original's serves those compared with it."""
        return task.reference_cell_id is not None or self._store.exists(lossless_path(task.cell_id))

    def _make(
        self, task: CellTask, existing: CellRecord | None, attempt: int, started_at: float
    ) -> tuple[CellRecord, Frames]:
        if existing is not None:
            # Made before, but not scored to the end.
            frames = self._lossless(task.cell_id)
            if frames is not None:
                return existing, frames
        resident = self._pipeline(task.model)
        made = resident.generate(task)
        sha256 = frames_sha256(made.frames)
        if existing is not None and existing.frames_sha256 != sha256:
            raise InvalidVideoError(
                f"cell {task.cell_id} made again differs from its record ({sha256[:12]} against"
                f" {(existing.frames_sha256 or '')[:12]}); remove the record to accept the new one"
            )
        with tempfile.TemporaryDirectory() as folder:
            video, lossless = Path(folder, "video.mp4"), Path(folder, "video.mkv")
            write_lossless(made.frames, lossless, task.fps)
            self._store.put_file(lossless, lossless_path(task.cell_id))
            if existing is not None:
                return existing, made.frames
            write_mp4(made.frames, video, task.fps)
            self._store.put_file(video, task.video)
            video_sha256 = _file_sha256(video)
        record = self._record(
            task,
            attempt,
            started_at,
            status=Status.OK,
            latency=made.latency,
            flops=made.flops,
            memory=made.memory,
            decisions=made.decisions,
            nfe=made.nfe,
            noise_sha256=made.noise_sha256,
            video=task.video,
            video_sha256=video_sha256,
            frames_sha256=sha256,
            lossless=lossless_path(task.cell_id),
        )
        self._store.write_cell(record)
        return record, made.frames

    def _record(self, task: CellTask, attempt: int, started_at: float, **measured: Any) -> CellRecord:
        return CellRecord(
            cell_id=task.cell_id,
            suite=task.suite,
            row=task.row,
            row_key=task.row_key,
            key=task.key,
            prompt_index=task.prompt_index,
            sample_index=task.sample_index,
            attempt=attempt,
            started_at=started_at,
            finished_at=time.time(),
            reference_cell_id=task.reference_cell_id,
            worker=self._name,
            environment=self._environment,
            **measured,
        )

    def _unscored(self, task: CellTask) -> list[str]:
        """Metrics of a cell that have no answer yet, or only the reason why there is none."""
        scored = self._store.scores([task.cell_id]).get(task.cell_id, {})
        return [name for name in task.metrics if name not in scored or scored[name].status != "ok"]

    def _score(self, task: CellTask, metrics: list[str], frames: Frames) -> None:
        """Write one score record for each of these metrics."""
        reference: Frames | None = None
        for name in metrics:
            if name not in self._metrics:
                self._metrics[name] = load_metric(name)
            metric = self._metrics[name]
            if metric.needs_reference and task.reference_cell_id is not None and reference is None:
                reference = self._lossless(task.reference_cell_id)
            self._store.write_score(self._score_one(task, name, metric, frames, reference))

    def _score_one(
        self, task: CellTask, name: str, metric: Metric, frames: Frames, reference: Frames | None
    ) -> ScoreRecord:
        values: dict[str, float | None] = {}
        reason: str | None = None
        status: Any = "ok"
        try:
            if metric.needs_reference and task.reference_cell_id is None:
                # An original is not compared with itself: the values do not apply, and the cell is scored.
                values = dict.fromkeys(metric.values)
            elif metric.needs_reference and reference is None:
                raise MetricUnavailableError("the original's video of this prompt and sample is missing or damaged")
            else:
                values = metric.score(frames, reference, task.key.prompt)
            bad = [key for key, value in values.items() if value is not None and not np.isfinite(value)]
            if bad:
                raise ValueError(f"{', '.join(bad)} is not a finite number")
        except MetricUnavailableError as error:
            status, reason, values = "unavailable", str(error), {}
        except Exception as error:
            status, reason, values = "failed", _reason(error), {}
        return ScoreRecord(
            cell_id=task.cell_id,
            metric=name,
            status=status,
            reason=reason,
            values=values,
            frames_sha256=frames_sha256(frames),
            scored_at=time.time(),
        )

    def _lossless(self, cell_id: str) -> Frames | None:
        """The frames of a finished cell; None where the copy is gone or damaged."""
        path = lossless_path(cell_id)
        if not self._store.exists(path):
            return None
        try:
            with self._store.local_path(path) as local:
                return read_video(local)
        except StoreError as error:
            LOGGER.warning("%s", error)
            return None

    def _pipeline(self, spec: ModelSpec) -> _Resident:
        if self._resident is None or self._resident.spec != spec:
            self._drop_pipeline()
            self._resident = _Resident(spec, self._device)
            # Garbage is collected before each cell; that need not go through everything imported and loaded each time.
            gc.collect()
            gc.freeze()
        return self._resident

    def _drop_row(self) -> None:
        if self._resident is not None:
            self._resident.leave_row()

    def _drop_pipeline(self) -> None:
        if self._resident is not None:
            self._resident.close()
        self._resident = None
        gc.unfreeze()
        gc.collect()
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()


class _Made:
    """What one generation gave."""

    def __init__(
        self,
        frames: Frames,
        stages: Stages,
        latency: Latency,
        flops: Flops,
        memory: Memory,
        nfe: float,
        applied: Applied,
    ) -> None:
        self.frames = frames
        self.latency = latency
        self.flops = flops
        self.memory = memory
        self.nfe = nfe
        self.noise_sha256 = stages.noise_sha256
        self.decisions = tuple(
            DecisionRecord(step_index=d.step_index, branch=d.branch, action=d.action, distance=d.distance)
            for d in applied.decisions()
        )


class _Resident:
    """A loaded pipeline with its meter, and the row in force on it."""

    def __init__(self, spec: ModelSpec, device: str) -> None:
        self.spec = spec
        self._device = device
        self._family: Family = load_family(spec.family)
        try:
            self._pipeline = self._family.load(spec.model, revision=spec.revision, dtype=spec.dtype, device=device)
        except (OSError, ValueError, ImportError) as error:
            raise ModelError(f"model {spec.model!r} ({spec.label}) cannot be loaded: {_reason(error)}") from error
        self._always = ExitStack()
        self._meter = self._always.enter_context(FlopMeter(self._family.transformer(self._pipeline), self._family))
        self._row: ExitStack | None = None
        self._row_key: str | None = None
        self._applied: Applied | None = None
        self._stage_flops: dict[tuple[Any, ...], StageFlops] = {}

    def generate(self, task: CellTask) -> _Made:
        sampling = Sampling(**task.key.sampling)
        if self._row_key != task.row_key:
            self._enter_row(task, sampling)
        applied = self._applied
        assert applied is not None
        applied.reset()
        self._meter.reset()
        memory = PeakMemory(self._device)
        memory.start()
        clock = Clock(self._device)
        with watch_stages(self._pipeline, clock) as stages:
            start = clock.mark()
            video = self._call(task.key.prompt, sampling, task.key.seed, stages.on_step_end)
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
        return _Made(frames, stages, latency, flops, peak, denoiser / self._meter.full_forward_flops(), applied)

    def _enter_row(self, task: CellTask, sampling: Sampling) -> None:
        """Apply the row's method and run it once, untimed and short: kernels get chosen and costs get learned."""
        self.leave_row()
        method = load_method(task.key.method)(**_as_config(task.key.config))
        shape = _shape_of(sampling)
        short = replace(sampling, num_inference_steps=min(WARM_UP_STEPS, sampling.num_inference_steps))
        if shape not in self._stage_flops:
            # Without a method: this also teaches the meter what a full call costs.
            with self._family.scheduled(self._pipeline, short), count_stages(self._pipeline) as found:
                self._call(task.key.prompt, short, task.key.seed, None)
            self._stage_flops[shape] = found[0]
        with ExitStack() as row:
            row.enter_context(self._family.scheduled(self._pipeline, sampling))
            applied = row.enter_context(method.apply(self._pipeline, self._family))
            applied.reset()
            self._call(task.key.prompt, short, task.key.seed, None)
            self._row = row.pop_all()
        self._applied, self._row_key = applied, task.row_key

    def leave_row(self) -> None:
        """Take the method off the pipeline."""
        row, self._row, self._row_key, self._applied = self._row, None, None, None
        if row is not None:
            row.close()

    def close(self) -> None:
        """Take everything off the pipeline."""
        self.leave_row()
        self._always.close()

    @torch.no_grad()
    def _call(self, prompt: str, sampling: Sampling, seed: int, on_step_end: Any) -> Any:
        arguments = self._family.call_arguments(prompt, sampling)
        generator = torch.Generator(self._device).manual_seed(seed)
        if on_step_end is not None:
            arguments["callback_on_step_end"] = on_step_end
        return self._pipeline(**arguments, generator=generator, output_type="np").frames[0]


def _shape_of(sampling: Sampling) -> tuple[Any, ...]:
    """What the cost of one step, of text encoding and of decoding depends on. Without guidance, one text is encoded."""
    guided = sampling.guidance_scale > 1
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


def _status_of(error: BaseException) -> Status:
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error):
        return Status.OOM
    if isinstance(error, InvalidVideoError):
        return Status.INVALID
    return Status.FAILED


def _reason(error: BaseException) -> str:
    """One line: our own errors as they are, others with their type and where they were raised."""
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, HarnessError):
        return text
    place = ""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is not None:
        place = f" (at {Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno})"
    return f"{type(error).__name__}: {text}{place}"


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
