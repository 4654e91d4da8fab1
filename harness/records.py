"""What is written down about a cell: one `CellRecord` when its video is made, one `ScoreRecord` per metric.

Both are JSON sidecars in the store and the only source of every number in MLflow and in the reports.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from enum import StrEnum
from itertools import repeat
from operator import itemgetter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import from_json

SCHEMA_VERSION = 2
"""Of all records on disk; see `harness.sidecar`."""

GENERATION = 1
"""Of the code outside of `methods` that decides what a cell holds: loading, calling and measuring a pipeline. A change
there that changes a number raises this, which gives all cells other ids; `tests/harness/test_code_versions.py` asks."""

TINY_PREFIX = "tiny:"
"""Begins the model id of a tiny random stand-in (`harness run --tiny`); the id of the model it stands for follows."""

UNPINNED = "unpinned"
"""Fingerprint of a hub model without a revision: it may be another one tomorrow."""


class Status(StrEnum):
    """How a cell ended. All are shown in tables, none ever counts as zero."""

    OK = "ok"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    OOM = "oom"
    TIMEOUT = "timeout"
    INVALID = "invalid"


class Record(BaseModel):
    """Frozen and strict: an unknown key is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CellKey(Record):
    """Everything that determines one video; `cell_id` is its hash."""

    family: str
    model: str
    model_fingerprint: str
    """Content hash of a local folder, or the hub revision."""
    dtype: str
    method: str
    config: dict[str, Any]
    code: str
    """Hash of the syntax trees of the method, its family and what both build on (comments do not count)."""
    sampling: dict[str, Any]
    """The sampling really used, after the method had its say."""
    prompt: str
    seed: int
    image: str | None = None
    """Content hash of the image the video begins with."""
    parallel: dict[str, int] | None = None
    """Degrees of context parallelism (`harness.parallel`), which latency, memory and the last bits depend on."""

    @property
    def cell_id(self) -> str:
        """Hash of all fields, and with it the cell's name everywhere; of those that came later, only where given."""
        later = {name for name in ("image", "parallel") if getattr(self, name) is None}
        return canonical_hash(self.model_dump(mode="json", exclude=later))


def canonical_hash(value: Any) -> str:
    """32 hex digits of SHA-256 over canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Latency(Record):
    """Wall-clock seconds of one generation, device synchronised; `total_s` also holds what lies between the parts."""

    total_s: float
    text_encode_s: float
    denoise_s: float
    decode_s: float
    step_s: tuple[float, ...]


class Flops(Record):
    """Floating-point operations of one video, a multiply-add counting 2."""

    denoiser: int
    """What the transformer really executed: the number papers report."""
    text_encode: int
    decode: int
    unseen_ops: tuple[str, ...] = ()
    """Operators with arithmetic the counter has no formula for."""


class Memory(Record):
    """Bytes. On CUDA the allocator's peaks; on a CPU the rise of the resident set during the generation."""

    peak_bytes: int
    peak_reserved_bytes: int | None
    cache_bytes: int
    """The method's own tensors at their largest."""
    instrument: Literal["cuda_max_allocated", "rss_delta"]


class DecisionRecord(Record):
    """`methods.base.Decision` on disk."""

    step_index: int
    branch: str
    action: str
    distance: float | None = None
    level: str | None = None


class _PlainDecisions(dict[tuple[Any, ...], DecisionRecord]):
    """By the values of their fields, the decisions without a distance that were read so far."""

    fields = tuple(DecisionRecord.model_fields)
    values_of = itemgetter(*fields)

    def __missing__(self, values: tuple[Any, ...]) -> DecisionRecord:
        decision = DecisionRecord.model_validate(dict(zip(self.fields, values, strict=True)))
        if decision.distance is not None:
            raise KeyError(values)
        return self.setdefault(values, decision)


_PLAIN_DECISIONS = _PlainDecisions()

_KNOWN_TEXTS: dict[bytes, tuple[DecisionRecord, ...]] = {}
"""By their text, lists of decisions without a distance that were read lately."""

_MOST_TEXTS = 1_000
"""Some 10 KB each."""


def _share_decisions(decisions: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Equal decisions are one object: a suite's videos have millions of them, and most are said again and again.

    Where one has a distance, a number that hardly comes twice, or is no decision at all, pydantic makes all of them.
    Whole lists are one object too where they come as the text they are on disk, which then need not be parsed again.
    """
    if isinstance(decisions, bytes):
        found = _KNOWN_TEXTS.get(decisions)
        if found is None:
            found = _share_decisions(from_json(decisions), validate)
            if all(decision.distance is None for decision in found):
                # Threads read too, so that nothing is looked up a second time.
                if len(_KNOWN_TEXTS) >= _MOST_TEXTS:
                    _KNOWN_TEXTS.clear()
                _KNOWN_TEXTS[decisions] = found
        return found
    try:
        if set(map(len, decisions)) == {len(_PLAIN_DECISIONS.fields)}:
            return tuple(map(_PLAIN_DECISIONS.__getitem__, map(_PLAIN_DECISIONS.values_of, decisions)))
    except (TypeError, KeyError, ValueError):
        pass
    return validate(decisions)


class CellRecord(Record):
    """One cell's outcome. Where `status` is not ok, `reason` says why and the measurements are None."""

    schema_version: int = SCHEMA_VERSION
    cell_id: str
    suite: str
    row: str
    """Unique name of the row in its suite."""
    row_key: str
    """Hash of the row (model x method configuration), the same in every suite."""
    key: CellKey
    prompt_index: int
    sample_index: int
    status: Status
    reason: str | None = None
    attempt: int = 1
    started_at: float
    """Unix time, seconds."""
    finished_at: float
    latency: Latency | None = None
    flops: Flops | None = None
    memory: Memory | None = None
    decisions: Annotated[tuple[DecisionRecord, ...], WrapValidator(_share_decisions)] = ()
    nfe: float | None = None
    """Effective number of function evaluations: denoiser FLOPs over those of one full transformer call."""
    noise_sha256: str | None = None
    video: str | None = None
    """Path of the mp4 below the store's root."""
    video_sha256: str | None = None
    video_bytes: int | None = None
    """Size of the mp4; None in records of schema 1."""
    frames_sha256: str | None = None
    """Of the uint8 frames before encoding."""
    lossless: str | None = None
    """Path of the lossless copy below the store's root; it may have been removed once scored."""
    reference_cell_id: str | None = None
    """The original's cell of the same prompt and sample, which fidelity is measured against."""
    worker: str | None = None
    environment: dict[str, Any] | None = None


class ScoreRecord(Record):
    """One metric of one cell. `values` maps names (`psnr`, or `color`, `scene`, ...) to numbers."""

    schema_version: int = SCHEMA_VERSION
    cell_id: str
    metric: str
    status: Literal["ok", "unavailable", "failed"]
    reason: str | None = None
    values: dict[str, float | None] = {}
    """None where a value does not apply to this prompt: it is left out of means and counted as such."""
    frames_sha256: str | None = None
    reference_cell_id: str | None = None
    """The original's cell it was compared with; None where it was compared with none, and in records of schema 1."""
    scored_at: float

    def holds_for(self, cell: CellRecord, reference_cell_id: str | None) -> bool:
        """Whether it is about the frames of this record, compared with this original: a suite may get another."""
        return self.frames_sha256 == cell.frames_sha256 and self.reference_cell_id in {None, reference_cell_id}


class SetScoreRecord(Record):
    """One metric of all images of a row together; it belongs to exactly these cells."""

    schema_version: int = SCHEMA_VERSION
    set_id: str
    """See `set_id_of`."""
    row: str
    metric: str
    status: Literal["ok", "unavailable", "failed"]
    reason: str | None = None
    values: dict[str, float] = {}
    images: int
    network: str | None = None
    """The network that made the features, with a hash of its weights."""
    reference: str | None = None
    """File name and content hash of what the set was compared with."""
    scored_at: float


class DimensionScoreRecord(Record):
    """VBench's answer about one video in one dimension."""

    schema_version: int = SCHEMA_VERSION
    cell_id: str
    dimension: str
    status: Literal["ok", "undetected", "failed"]
    """Undetected: there is nothing in the video that the dimension could judge."""
    reason: str | None = None
    value: float | None = None
    """On VBench's own scale: imaging quality 0 to 100, all else 0 to 1."""
    frame_values: tuple[float, ...] = ()
    """Per frame or pair of neighbours, where the dimension is made of those."""
    video_sha256: str | None = None
    """Of the file that was decoded."""
    scorer: dict[str, str] = {}
    """Versions of the packages that scored it."""
    scored_at: float


class ScoringRecord(Record):
    """What the last scoring of a suite with VBench had to leave out."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    unavailable: dict[str, str]
    """By dimension, what is missing."""


def set_id_of(cell_ids: Iterable[str]) -> str:
    """The name of a set of cells, whatever their order."""
    return canonical_hash(sorted(cell_ids))


class RowManifest(Record):
    """One row of a suite as it was planned: the denominator of everything said about it."""

    row: str
    row_key: str
    model_label: str
    """The suite's own name of the model."""
    model: str
    family: str
    method: str
    config: dict[str, Any]
    sampling: dict[str, Any]
    baseline: str | None
    """Row name of the original this row is compared with; None for an original."""
    skip_reason: str | None
    """Why the row cannot run; such a row has no cells."""
    devices: int = 1
    """That each of its videos is spread over."""
    cell_ids: tuple[str, ...]
    """Prompt-major: the cells of a prompt's samples, then those of the next; see `SuiteManifest.places`."""


class StatedRowManifest(Record):
    """A row that the suite only states, because nothing here can make it yet."""

    row: str
    reason: str


class SuiteManifest(Record):
    """A planned suite, written to the store by the driver so that reports need no plan."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    suite_hash: str
    suite_yaml: str
    prompts: tuple[str, ...]
    prompt_dimensions: tuple[tuple[str, ...], ...] = ()
    """The dimensions each prompt is scored for, where they are VBench's prompts."""
    samples: int
    """Of each prompt; the most that any has, where they differ."""
    prompt_samples: tuple[int, ...] = ()
    """Of each prompt, where they differ."""
    metrics: tuple[str, ...]
    set_metrics: tuple[str, ...] = ()
    """Metrics of each row's images as a set."""
    vbench_dimensions: tuple[str, ...] = ()
    """What VBench scores the videos for."""
    rows: tuple[RowManifest, ...]
    planned: tuple[StatedRowManifest, ...] = ()

    def samples_of(self, prompt_index: int) -> int:
        """How many videos there are of a prompt in each row."""
        return self.prompt_samples[prompt_index] if self.prompt_samples else self.samples

    def asked_dimensions(self, prompt_index: int) -> tuple[str, ...]:
        """What VBench scores a prompt's videos for: of its own prompts what they are for, of others everything."""
        if not self.prompt_dimensions:
            return self.vbench_dimensions
        return tuple(name for name in self.vbench_dimensions if name in self.prompt_dimensions[prompt_index])

    def places(self) -> list[tuple[int, int]]:
        """Prompt and sample of each cell of a row, in the order of its `cell_ids`."""
        return [
            (prompt_index, sample_index)
            for prompt_index in range(len(self.prompts))
            for sample_index in range(self.samples_of(prompt_index))
        ]

    def references(self) -> dict[str, str | None]:
        """Of every cell the original's that it is compared with; None for an original, and where there is none."""
        ids = {row.row: row.cell_ids for row in self.rows}
        return {
            cell_id: reference
            for row in self.rows
            for cell_id, reference in zip(row.cell_ids, ids.get(row.baseline or "") or repeat(None), strict=False)
        }

    def first_cells(self) -> list[int]:
        """Where in a row's `cell_ids` each prompt's samples begin."""
        return [position for position, (_, sample_index) in enumerate(self.places()) if sample_index == 0]
