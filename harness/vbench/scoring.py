"""Scores a suite's videos with VBench once they are made: each video and dimension once, whatever breaks off.

Not on a device that generates videos: their timings are of one that does nothing else. Dimensions that look at the same
videos share a process, so that a video is decoded once; where there are several devices, of this machine or a cluster,
each gets its share of the videos. Every answer is in the store before the next video is looked at.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from harness.errors import VBenchError, one_line
from harness.records import CellRecord, DimensionScoreRecord, ScoringRecord, SuiteManifest
from harness.store import Store
from harness.vbench.found import Answer, Found, VideoScorer
from harness.vbench.own_scorer import OWN_DIMENSIONS, OwnScorer
from harness.vbench.prompts import FLICKERING, SAMPLES, auxiliary_information
from harness.vbench.scorer_process import ScorerLostError, ScorerProcess
from harness.vbench.scoring_environment import scoring_python

LOGGER = logging.getLogger(__name__)

GROUPS: Final = (
    OWN_DIMENSIONS,
    ("subject_consistency", "motion_smoothness", "dynamic_degree"),
    ("background_consistency", "scene", "appearance_style"),
    ("aesthetic_quality", "imaging_quality", "overall_consistency", "temporal_style"),
    ("object_class", "multiple_objects", "spatial_relationship", "color"),
    ("human_action",),
)
"""Dimensions of one process: VBench has the same prompts for them, or they share a model."""
LOSSES: Final = 3
"""So many scorers lost one after the other end a job; its other videos are scored by the next call."""
FILTERED: Final = f"VBench takes the {SAMPLES} stillest of a prompt's samples, which only its own command finds"


class StoredScorer(Protocol):
    """A `VideoScorer` of files in a store, wherever it is."""

    versions: Mapping[str, str]
    unavailable: Mapping[str, str]

    def score(self, video: str, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """As `VideoScorer.score`, of a path below the store's root."""

    def close(self) -> None:
        """Let go of the models."""


OpenScorer = Callable[[Store, Sequence[str], str], StoredScorer]
"""From a store, dimensions and a device to a scorer that has loaded them."""


@dataclass(frozen=True)
class AskedVideo:
    """A video that lacks some scores. `wanted` is what VBench's list says of its prompt, by dimension."""

    cell: CellRecord
    prompt: str
    wanted: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """What one scorer does."""

    dimensions: tuple[str, ...]
    videos: tuple[AskedVideo, ...]


@dataclass(frozen=True)
class Scoring:
    """How a scoring ended, in scores: one is of one video in one dimension."""

    scored: int
    already_scored: int
    failed: int
    unavailable: Mapping[str, str]

    @property
    def complete(self) -> bool:
        """Whether every video that is made has an answer in every dimension."""
        return not self.failed and not self.unavailable


class OnThisMachine:
    """A scorer in this process, or a child of it."""

    def __init__(self, store: Store, scorer: VideoScorer) -> None:
        """Wrap a scorer of local files."""
        self._store, self._scorer = store, scorer
        self.versions, self.unavailable = scorer.versions, scorer.unavailable

    def score(self, video: str, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """As `StoredScorer.score`."""
        with self._store.local_path(video) as path:
            return self._scorer.score(path, prompt, wanted)

    def close(self) -> None:
        """As `StoredScorer.close`."""
        self._scorer.close()


def open_scorer(store: Store, dimensions: Sequence[str], device: str) -> StoredScorer:
    """The scorer of these dimensions on this machine, of its own environment unless it needs none."""
    own = set(dimensions) <= set(OWN_DIMENSIONS)
    return OnThisMachine(store, OwnScorer() if own else ScorerProcess(scoring_python(), dimensions, device))


def score_suite(
    store: Store,
    manifest: SuiteManifest,
    *,
    unavailable: Mapping[str, str],
    devices: Sequence[str],
    open_scorer: OpenScorer = open_scorer,
    on_score: Callable[[int, int], None] = lambda done, total: None,
) -> Scoring:
    """Score what is made and not scored yet, in the dimensions that the suite asks for and that are available.

    `unavailable` says by dimension what is missing here; it is written down for the reports. `devices` are what
    `open_scorer` understands, of this machine `cpu` or `cuda:<index>`, one scorer at a time on each. `on_score` is told
    how many scores there are, and are to be.
    """
    missing = {name: reason for name, reason in unavailable.items() if name in manifest.vbench_dimensions}
    if FLICKERING in manifest.vbench_dimensions and _needs_filter(manifest):
        missing[FLICKERING] = FILTERED
    can = tuple(name for name in manifest.vbench_dimensions if name not in missing)
    asked, already = asked_videos(store, manifest, can)
    scoring = _Pass(store, open_scorer, on_score, sum(len(video.wanted) for video in asked))
    scoring.run(jobs(asked, shares=len(devices)), devices)
    missing |= scoring.unavailable
    store.write_scoring(ScoringRecord(suite=manifest.suite, unavailable=missing))
    return Scoring(scoring.scored, already, scoring.failed, missing)


def _needs_filter(manifest: SuiteManifest) -> bool:
    """Whether VBench's prompts for temporal flickering have more samples than are scored."""
    return any(
        FLICKERING in names and manifest.samples_of(prompt_index) > SAMPLES
        for prompt_index, names in enumerate(manifest.prompt_dimensions)
    )


def asked_videos(store: Store, manifest: SuiteManifest, dimensions: Sequence[str]) -> tuple[list[AskedVideo], int]:
    """The videos that lack scores, row by row, and how many scores there are already.

    What failed is asked again, and so is what was scored of another file.
    """
    auxiliary = auxiliary_information() if manifest.prompt_dimensions else {}
    asked, already = [], 0
    for row in manifest.rows:
        cells, there = store.cells(row.cell_ids), store.dimension_scores(row.cell_ids)
        for cell_id, (prompt_index, sample_index) in zip(row.cell_ids, manifest.places(), strict=False):
            cell, prompt = cells.get(cell_id), manifest.prompts[prompt_index]
            if cell is None or (manifest.prompt_dimensions and sample_index >= SAMPLES):
                continue
            names = [name for name in manifest.asked_dimensions(prompt_index) if name in dimensions]
            scores = there.get(cell_id, {})
            lacking = [name for name in names if not _answers(scores.get(name), cell)]
            already += len(names) - len(lacking)
            if lacking:
                says = auxiliary.get(prompt, {})
                asked.append(AskedVideo(cell, prompt, {name: says.get(name) for name in lacking}))
    return asked, already


def jobs(asked: Sequence[AskedVideo], shares: int) -> list[Job]:
    """The work of each group of dimensions, divided among so many devices."""
    divided = []
    for group in GROUPS:
        videos = [
            replace(video, wanted={name: video.wanted[name] for name in group if name in video.wanted})
            for video in asked
            if not video.wanted.keys().isdisjoint(group)
        ]
        for share in range(min(shares, len(videos))):
            part = tuple(videos[share::shares])
            wanted = {name for video in part for name in video.wanted}
            divided.append(Job(tuple(name for name in group if name in wanted), part))
    return divided


def _answers(record: DimensionScoreRecord | None, cell: CellRecord) -> bool:
    """Whether a record is an answer about this very video."""
    return record is not None and record.status != "failed" and record.video_sha256 == cell.video_sha256


class _Pass:
    """One pass over the jobs; one thread for each device."""

    def __init__(self, store: Store, open_scorer: OpenScorer, on_score: Callable[[int, int], None], total: int) -> None:
        self._store = store
        self._open_scorer = open_scorer
        self._on_score = on_score
        self._total = total
        self._lock = threading.Lock()
        self._scorers: set[StoredScorer] = set()
        self._stopping = False
        self.scored = self.failed = 0
        self.unavailable: dict[str, str] = {}

    def run(self, jobs: Iterable[Job], devices: Sequence[str]) -> None:
        """Do all jobs; an interruption ends the scorers at once."""
        free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for device in devices:
            free.put(device)

        def on_a_device(job: Job) -> None:
            device = free.get()
            try:
                self._do(job, device)
            finally:
                free.put(device)

        with ThreadPoolExecutor(len(devices)) as threads:
            try:
                for _ in threads.map(on_a_device, jobs):
                    pass
            except BaseException:
                self._stopping = True
                with self._lock:
                    for scorer in self._scorers:
                        scorer.close()
                raise

    def _do(self, job: Job, device: str) -> None:
        """Score a job's videos, with another scorer where one is lost."""
        left, losses = iter(job.videos), 0
        while not self._stopping and losses < LOSSES:
            try:
                scorer = self._open_scorer(self._store, job.dimensions, device)
            except ScorerLostError as error:
                self._miss(job.dimensions, str(error))
                return
            with self._lock:
                self._scorers.add(scorer)
                self.unavailable |= scorer.unavailable
            try:
                lost = self._go_on(left, scorer)
            finally:
                with self._lock:
                    self._scorers.discard(scorer)
                scorer.close()
            if lost is None:
                return
            losses = 1 if lost else losses + 1
        if not self._stopping:
            rest = sum(len(video.wanted) for video in left)
            LOGGER.warning("%d scorers of %s were lost in a row; %d scores are left for the next call",
                           LOSSES, ", ".join(job.dimensions), rest)  # fmt: skip
            self._count(failed=rest)

    def _go_on(self, left: Iterator[AskedVideo], scorer: StoredScorer) -> bool | None:
        """Score until a scorer is lost: whether it had scored something; None where all is done."""
        scored = False
        for video in left:
            wanted = {name: says for name, says in video.wanted.items() if name not in scorer.unavailable}
            if self._stopping or not wanted:
                continue
            try:
                self._write(video, scorer, self._ask(video, wanted, scorer))
                scored = True
            except ScorerLostError as error:
                if not self._stopping:
                    self._write(video, scorer, _all_failed(video, wanted, str(error)))
                return scored
            except Exception as error:
                self._write(video, scorer, _all_failed(video, wanted, one_line(error)))
        return None

    def _ask(self, video: AskedVideo, wanted: Mapping[str, Any], scorer: StoredScorer) -> Answer:
        assert video.cell.video is not None
        answer = scorer.score(video.cell.video, video.prompt, wanted)
        if answer.video_sha256 != video.cell.video_sha256:
            raise VBenchError(f"{video.cell.video} is not the file that was recorded; remove it and run its cell again")
        return answer

    def _write(self, video: AskedVideo, scorer: StoredScorer, answer: Answer) -> None:
        for dimension, found in answer.found.items():
            self._store.write_dimension_score(
                DimensionScoreRecord(
                    cell_id=video.cell.cell_id,
                    dimension=dimension,
                    status=found.status,
                    reason=found.reason,
                    value=found.value,
                    frame_values=found.frame_values,
                    video_sha256=answer.video_sha256,
                    scorer=dict(scorer.versions),
                    scored_at=time.time(),
                )
            )
        failed = sum(found.status == "failed" for found in answer.found.values())
        self._count(scored=len(answer.found) - failed, failed=failed)

    def _miss(self, dimensions: Iterable[str], reason: str) -> None:
        with self._lock:
            self.unavailable |= dict.fromkeys(dimensions, reason)

    def _count(self, *, scored: int = 0, failed: int = 0) -> None:
        with self._lock:
            self.scored += scored
            self.failed += failed
            self._on_score(self.scored + self.failed, self._total)


def _all_failed(video: AskedVideo, wanted: Iterable[str], reason: str) -> Answer:
    return Answer(video.cell.video_sha256 or "", dict.fromkeys(wanted, Found("failed", reason)))
