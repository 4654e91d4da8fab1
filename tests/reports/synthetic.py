"""A made-up suite whose every number follows from a formula, and a store that lives in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import av
import numpy as np

from harness.errors import StoreError
from harness.records import (
    CellKey,
    CellRecord,
    DecisionRecord,
    DimensionScoreRecord,
    Flops,
    Latency,
    Memory,
    RowManifest,
    ScoreRecord,
    ScoringRecord,
    SetScoreRecord,
    Status,
    SuiteManifest,
    canonical_hash,
)
from harness.study.record import StudyRecord
from reports.dimensions import DIMENSIONS

START = 1_780_000_000.0
LPIPS_REASON = "alexnet-owt-7be5be79.pth is not in the torch hub folder"
ENVIRONMENT: dict[str, Any] = {
    "commit": "0123abc",
    "device": "cpu",
    "device_name": "Test CPU",
    "threads": 1,
    "cuda": None,
    "python": "3.12.0",
    "packages": {"torch": "2.9.0", "diffusers": "0.36.0"},
}


@dataclass(frozen=True)
class RowSpec:
    """How a synthetic row differs from the original: `speed` times faster, `damage` points worse."""

    name: str
    method: str
    config: dict[str, Any]
    speed: float
    damage: float
    steps: int = 50


ROWS = (
    RowSpec("original", "original", {}, 1.0, 0.0),
    RowSpec("fewer_steps-25", "fewer_steps", {"num_inference_steps": 25}, 1.98, 0.02, 25),
    RowSpec("fewer_steps-10", "fewer_steps", {"num_inference_steps": 10}, 4.9, 0.15, 10),
    RowSpec("teacache-0.1", "teacache", {"rel_l1_thresh": 0.1}, 1.5, 0.002),
    RowSpec("teacache-0.3", "teacache", {"rel_l1_thresh": 0.3}, 2.6, 0.05),
    RowSpec("fora-3", "fora", {"cache_interval": 3}, 2.3, 0.06),
    RowSpec("pab", "pab", {"block_skip_range": 2, "timestep_skip_range": [100, 800]}, 1.3, 0.03),
)


@dataclass
class MemorySource:
    """A `reports.source.RecordSource` and, for tracking, everything a store is asked for."""

    suite: SuiteManifest
    done: dict[str, CellRecord] = field(default_factory=dict)
    failed: dict[str, CellRecord] = field(default_factory=dict)
    scored: dict[str, dict[str, ScoreRecord]] = field(default_factory=dict)
    set_scored: dict[str, dict[str, SetScoreRecord]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    voted: StudyRecord | None = None
    vbench_scored: dict[str, dict[str, DimensionScoreRecord]] = field(default_factory=dict)
    vbench_left_out: ScoringRecord | None = None

    def manifest(self, suite: str) -> SuiteManifest:
        """The one suite there is."""
        return self.suite

    def cells(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """Finished cells."""
        return {cell_id: self.done[cell_id] for cell_id in cell_ids if cell_id in self.done}

    def failures(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """Failed attempts."""
        return {cell_id: self.failed[cell_id] for cell_id in cell_ids if cell_id in self.failed}

    def scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, ScoreRecord]]:
        """By cell and metric."""
        return {cell_id: self.scored[cell_id] for cell_id in cell_ids if cell_id in self.scored}

    def set_scores(self, set_ids: Iterable[str]) -> dict[str, dict[str, SetScoreRecord]]:
        """Scores of whole sets of images."""
        return {set_id: self.set_scored[set_id] for set_id in set_ids if set_id in self.set_scored}

    def dimension_scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, DimensionScoreRecord]]:
        """VBench's scores, by cell and dimension."""
        return {cell_id: self.vbench_scored[cell_id] for cell_id in cell_ids if cell_id in self.vbench_scored}

    def scoring(self, suite: str) -> ScoringRecord | None:
        """What VBench could not score."""
        return self.vbench_left_out

    def study(self, suite: str) -> StudyRecord | None:
        """What people voted."""
        return self.voted

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        """For reading only."""
        if path not in self.files:
            raise FileNotFoundError(path)
        return io.BytesIO(self.files[path])

    @contextmanager
    def local_path(self, path: str) -> Iterator[Path]:
        """A file of its own each time."""
        if path not in self.files:
            raise StoreError(f"{path!r} is not in memory")
        with NamedTemporaryFile() as local:
            local.write(self.files[path])
            local.flush()
            yield Path(local.name)

    def exists(self, path: str) -> bool:
        """Among the files in memory."""
        return path in self.files

    def forget(self, cell_id: str) -> None:
        """As if the cell had never been tried."""
        self.done.pop(cell_id, None)
        self.scored.pop(cell_id, None)

    def fail(self, cell_id: str, status: Status, reason: str) -> None:
        """As if the cell's last attempt had failed."""
        record = self.done[cell_id]
        self.forget(cell_id)
        self.failed[cell_id] = record.model_copy(
            update={"status": status, "reason": reason, "latency": None, "flops": None, "memory": None, "video": None}
        )


def synthetic(
    rows: tuple[RowSpec, ...] = ROWS,
    prompts: int = 6,
    samples: int = 2,
    videos: bool = False,
    metrics: tuple[str, ...] = ("psnr", "ssim", "lpips", "shapes"),
    seed: int = 0,
) -> MemorySource:
    """A complete suite. LPIPS is unavailable everywhere; a third of the dimensions skips every other prompt."""
    texts = tuple(f"a red circle moving left, scene {index}" for index in range(prompts))
    manifest = SuiteManifest(
        suite="synthetic",
        suite_hash="5f17e5f17e",
        suite_yaml="suite: synthetic\n",
        prompts=texts,
        samples=samples,
        metrics=metrics,
        rows=tuple(_row(spec, prompts * samples) for spec in rows),
    )
    source = MemorySource(manifest)
    generator = np.random.default_rng(seed)
    effort = 1.0 + 0.1 * generator.random((prompts, samples))
    skill = 0.75 + 0.2 * generator.random((len(DIMENSIONS), prompts, samples))
    for number, (spec, row) in enumerate(zip(rows, manifest.rows, strict=True)):
        for position, cell_id in enumerate(row.cell_ids):
            prompt, sample = divmod(position, samples)
            seconds = 2.0 * effort[prompt, sample] / spec.speed * (1.0 + 0.02 * generator.random())
            when = START + 1000 * number + 10 * position
            record = _cell(manifest, row, spec, prompt, sample, cell_id, seconds, when)
            source.done[cell_id] = record
            noise = 0.02 * generator.standard_normal(len(DIMENSIONS)) if spec.damage else np.zeros(len(DIMENSIONS))
            values = np.clip(skill[:, prompt, sample] - spec.damage + noise, 0.0, 1.0)
            source.scored[cell_id] = _scores(row, metrics, cell_id, spec, values, prompt, when)
            if videos and record.video is not None:
                source.files[record.video] = video_bytes(prompt, sample, spec.damage)
    return source


def _row(spec: RowSpec, cells: int) -> RowManifest:
    return RowManifest(
        row=spec.name,
        row_key=canonical_hash([spec.method, spec.config]),
        model_label="shapes",
        model="checkpoints/shapes",
        family="wan",
        method=spec.method,
        config=spec.config,
        sampling={
            "num_inference_steps": spec.steps,
            "guidance_scale": 4.0,
            "height": 32,
            "width": 32,
            "num_frames": 9,
        },
        baseline=None if spec.method == "original" else "original",
        skip_reason=None,
        cell_ids=tuple(canonical_hash([spec.name, index]) for index in range(cells)),
    )


def _cell(
    manifest: SuiteManifest,
    row: RowManifest,
    spec: RowSpec,
    prompt: int,
    sample: int,
    cell_id: str,
    seconds: float,
    when: float,
) -> CellRecord:
    action = "reuse" if spec.method not in ("original", "fewer_steps") else "compute"
    return CellRecord(
        cell_id=cell_id,
        suite=manifest.suite,
        row=row.row,
        row_key=row.row_key,
        key=CellKey(
            family=row.family,
            model=row.model,
            model_fingerprint="f00d",
            dtype="float32",
            method=row.method,
            config=row.config,
            code="c0de",
            sampling=row.sampling,
            prompt=manifest.prompts[prompt],
            seed=sample,
        ),
        prompt_index=prompt,
        sample_index=sample,
        status=Status.OK,
        started_at=when,
        finished_at=when + seconds,
        latency=Latency(
            total_s=seconds, text_encode_s=0.05, denoise_s=seconds - 0.15, decode_s=0.1, step_s=(seconds - 0.15,)
        ),
        flops=Flops(denoiser=int(4e11 / spec.speed), text_encode=10**7, decode=10**9),
        memory=Memory(
            peak_bytes=300_000_000 + int(2e7 * spec.speed),
            peak_reserved_bytes=None,
            cache_bytes=0 if action == "compute" else 1_500_000,
            instrument="rss_delta",
        ),
        decisions=tuple(DecisionRecord(step_index=step, branch="cond", action=action) for step in range(3)),
        nfe=100 / spec.speed,
        noise_sha256=canonical_hash([prompt, sample]),
        video=f"videos/{row.row}/{manifest.prompts[prompt]}-{sample}.mp4",
        video_sha256=canonical_hash([spec.name, prompt, sample]),
        frames_sha256="11",
        reference_cell_id=None,
        worker="worker-0",
        environment=ENVIRONMENT,
    )


def _scores(
    row: RowManifest,
    metrics: tuple[str, ...],
    cell_id: str,
    spec: RowSpec,
    dimensions: np.ndarray[Any, Any],
    prompt: int,
    when: float,
) -> dict[str, ScoreRecord]:
    applies = {name: not (index % 3 == 1 and prompt % 2) for index, name in enumerate(DIMENSIONS)}
    judged = {name: float(value) if applies[name] else None for name, value in zip(DIMENSIONS, dimensions, strict=True)}
    found: dict[str, dict[str, float | None]] = {"shapes": judged}
    if row.baseline is not None:
        found["psnr"] = {"psnr": 32.0 - 60 * spec.damage + 0.3 * prompt}
        found["ssim"] = {"ssim": 0.97 - spec.damage - 0.002 * prompt}
    records = {
        metric: ScoreRecord(cell_id=cell_id, metric=metric, status="ok", values=values, scored_at=when + 5)
        for metric, values in found.items()
        if metric in metrics
    }
    if row.baseline is not None and "lpips" in metrics:
        records["lpips"] = ScoreRecord(
            cell_id=cell_id, metric="lpips", status="unavailable", reason=LPIPS_REASON, scored_at=when + 5
        )
    return records


def video_bytes(prompt: int, sample: int, damage: float) -> bytes:
    """A 32x32 clip of 9 frames: a square that moves right, its colour by prompt, noisier with damage."""
    generator = np.random.default_rng([prompt, sample])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as sink:
        stream = sink.add_stream("libx264", rate=8, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = 32, 32, "yuv420p", 1
        for index in range(9):
            image = np.full((32, 32, 3), 90.0)
            image[10:20, 2 + 2 * index : 12 + 2 * index, prompt % 3] = 230.0
            image += 400 * damage * generator.standard_normal(image.shape)
            frame = av.VideoFrame.from_ndarray(np.clip(image, 0, 255).astype(np.uint8), format="rgb24")
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return buffer.getvalue()


def two_models(source: MemorySource, other: MemorySource, **update: Any) -> MemorySource:
    """The rows of both in one suite, those of `other` as a model of the label `other` whose rows have `update`."""
    rows = tuple(
        row.model_copy(update={"model_label": "other", "baseline": row.baseline and f"other {row.baseline}"} | update)
        for row in other.suite.rows
    )
    source.suite = source.suite.model_copy(update={"rows": source.suite.rows + rows})
    source.done |= other.done
    source.scored |= other.scored
    return source


def troubled(videos: bool = False) -> MemorySource:
    """The synthetic suite with a bit of everything that goes wrong: see the comments."""
    source = synthetic(videos=videos)
    rows = {row.row: row for row in source.suite.rows}
    # FORA: one cell ran out of memory, one was never tried.
    source.fail(rows["fora-3"].cell_ids[2], Status.OOM, "CUDA out of memory, 3.2 GB asked for")
    source.forget(rows["fora-3"].cell_ids[5])
    # PAB: two cells were timed on another machine, one started from other noise.
    for cell_id in rows["pab"].cell_ids[:2]:
        change(source, cell_id, environment={**ENVIRONMENT, "device_name": "Other CPU"})
    change(source, rows["pab"].cell_ids[3], noise_sha256="other")
    # TeaCache 0.1: the judge gave no colour at all. TeaCache 0.3: it never skipped a step in its last cell.
    for cell_id in rows["teacache-0.1"].cell_ids:
        judged = source.scored[cell_id]["shapes"]
        rejudge(source, cell_id, {**judged.values, "color": None})
    compute = tuple(DecisionRecord(step_index=step, branch="cond", action="compute") for step in range(3))
    change(source, rows["teacache-0.3"].cell_ids[-1], decisions=compute)
    # A row that cannot run with this family.
    unable = rows["fora-3"].model_copy(
        update={"row": "disca", "row_key": "d15ca", "method": "disca", "skip_reason": "disca has no predictor for wan"}
    )
    unable = unable.model_copy(update={"cell_ids": ()})
    source.suite = source.suite.model_copy(update={"rows": (*source.suite.rows, unable)})
    return source


def change(source: MemorySource, cell_id: str, **values: Any) -> None:
    """Replace fields of a finished cell's record."""
    source.done[cell_id] = source.done[cell_id].model_copy(update=values)


def rejudge(source: MemorySource, cell_id: str, values: dict[str, float | None], later_s: float = 0.0) -> None:
    """Replace the judge's values for a cell, scored some seconds later."""
    old = source.scored[cell_id]["shapes"]
    update = {"values": values, "scored_at": old.scored_at + later_s}
    source.scored[cell_id]["shapes"] = old.model_copy(update=update)
