"""The store: videos, references and one JSON sidecar per cell, below one root on any file system fsspec knows.

The store is the truth. A cell is done when its sidecar under `cells/` exists; that file is written last and in one
step, so whatever dies midway leaves the cell undone and nothing else behind. All paths are relative to the root:

    cells/<id[:2]>/<id>.json            CellRecord of a finished cell; the first one committed stays
    failures/<id[:2]>/<id>.json         last failed attempt of an unfinished cell; removed on success
    scores/<id[:2]>/<id>.<metric>.json  ScoreRecord
    set_scores/<set[:2]>/<set>.<metric>.json  SetScoreRecord
    lossless/<id[:2]>/<id>.mkv          frames bit for bit, until their dependents are scored
    videos/<row folder>/<prompt>-<index>.mp4
    suites/<suite>.json                 SuiteManifest
    progress/<suite>.json               RunProgress, what the driver of its run said last
    vbench/<id[:2]>/<id>.<dimension>.json  DimensionScoreRecord
    scorings/<suite>.json               ScoringRecord
    studies/<suite>.json                StudyRecord
    corrupt/, tmp/                      damaged sidecars moved aside; files not yet committed
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from harness.errors import StoreError, nearest
from harness.files import Files
from harness.gc_pause import gc_pause
from harness.records import (
    SCHEMA_VERSION,
    CellRecord,
    DimensionScoreRecord,
    Record,
    ScoreRecord,
    ScoringRecord,
    SetScoreRecord,
    Status,
    SuiteManifest,
)
from harness.sidecar import DamagedError, NewerSchemaError, dump, load
from harness.study.record import StudyRecord

LOGGER = logging.getLogger(__name__)

_READERS = 32
"""Concurrent requests to a remote store; a local one is read in line."""

_WRITING_S = 0.2
"""Pause before a record that is cut short is read again."""

_R = TypeVar("_R", bound=Record)


def lossless_path(cell_id: str) -> str:
    """Where the lossless copy of a cell lies below the store's root."""
    return f"lossless/{cell_id[:2]}/{cell_id}.mkv"


class Store(Files):
    """Everything the harness keeps, as records over files."""

    # Suites

    def manifest(self, suite: str) -> SuiteManifest:
        """The planned suite of this name. StoreError names the remedy where there is none."""
        manifest = self._read_record(f"suites/{suite}.json", SuiteManifest)
        if manifest is None:
            known = sorted(Path(name).stem for name in self.names("suites"))
            hint = nearest(suite, known) if known else ""
            raise StoreError(f"store {self.root!r} holds no suite {suite!r}{hint}; `harness run` its YAML file first")
        return manifest

    def write_manifest(self, manifest: SuiteManifest) -> None:
        """Write or replace the plan of a suite."""
        self.replace(f"suites/{manifest.suite}.json", dump(manifest))

    # Cells

    def cell_ids(self) -> set[str]:
        """Ids of all finished cells, from folder listings alone: nothing is opened."""
        return {name.removesuffix(".json") for name in self.sharded("cells")}

    def has_cell(self, cell_id: str) -> bool:
        """Whether this cell is finished, without opening its sidecar."""
        return self.exists(_shard("cells", cell_id))

    def cells(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """Records of those of the cells that are finished."""
        found = self._read_many([_shard("cells", cell_id) for cell_id in cell_ids], CellRecord)
        return {record.cell_id: record for record in found.values()}

    def write_cell(self, record: CellRecord) -> bool:
        """Commit a finished cell and forget its failures. False if another writer had committed it before.

        Call it last: from here on the cell counts as done. StoreError if the record's status is not ok.
        """
        if record.status is not Status.OK:
            raise StoreError(f"cell {record.cell_id} has status {record.status.value!r}; use write_failure for it")
        path = _shard("cells", record.cell_id)
        won = self.create(path, dump(record))
        if not won and self._read_record(path, CellRecord) is None:
            # What stood there was damaged and is now moved aside.
            won = self.create(path, dump(record))
        self.remove(_shard("failures", record.cell_id))
        return won

    def withdraw_cell(self, record: CellRecord, why: str) -> None:
        """Take a finished cell back, with its scores: the record is moved aside, and the cell is to be made again."""
        # The record last: until it is gone, whoever is killed here leaves a cell that will be taken back again.
        self.forget_scores(record.cell_id)
        self._move_aside(_shard("cells", record.cell_id), why)

    def forget_scores(self, cell_id: str) -> None:
        """Remove all scores of a cell: they are about frames that will not come again."""
        for kind in ("scores", "vbench"):
            for path in self._named(kind, [cell_id]):
                self.remove(path)

    def lossless_ids(self) -> set[str]:
        """Cells whose lossless copy is there, from folder listings alone."""
        return {path.rpartition("/")[2].removesuffix(".mkv") for path in self.listing("lossless")}

    def video_bytes(self) -> dict[str, int]:
        """Size of every video by its path, from listings alone."""
        return {path: size for path, (size, _) in self.listing("videos").items()}

    # Failures

    def failure_stamps(self) -> dict[str, str]:
        """Id and change stamp of every cell with a failed attempt; an equal stamp means an unchanged file."""
        return {name.removesuffix(".json"): stamp for name, stamp in self.stamped("failures").items()}

    def failures(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """Last failed attempts of those of the cells that have one."""
        found = self._read_many([_shard("failures", cell_id) for cell_id in cell_ids], CellRecord)
        return {record.cell_id: record for record in found.values()}

    def write_failure(self, record: CellRecord) -> None:
        """Keep a failed attempt, in place of an earlier one; ignored once the cell is finished."""
        if record.status is Status.OK:
            raise StoreError(f"cell {record.cell_id} has status 'ok'; use write_cell for it")
        if not self.has_cell(record.cell_id):
            self.replace(_shard("failures", record.cell_id), dump(record))

    # Scores

    def score_stamps(self) -> dict[tuple[str, str], str]:
        """Cell id and metric of every score with its change stamp; an equal stamp means an unchanged file."""
        stamps = {}
        for name, stamp in self.stamped("scores").items():
            cell_id, _, metric = name.removesuffix(".json").partition(".")
            stamps[cell_id, metric] = stamp
        return stamps

    def scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, ScoreRecord]]:
        """Score records by cell and metric; a cell without any is left out."""
        found: dict[str, dict[str, ScoreRecord]] = {}
        for record in self._read_many(self._named("scores", cell_ids), ScoreRecord).values():
            found.setdefault(record.cell_id, {})[record.metric] = record
        return found

    def score_records(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ScoreRecord]:
        """Score records by cell and metric, of those of the pairs that are there; nothing is listed."""
        found = self._read_many([_shard("scores", f"{cell_id}.{metric}") for cell_id, metric in keys], ScoreRecord)
        return {(record.cell_id, record.metric): record for record in found.values()}

    def write_score(self, record: ScoreRecord) -> None:
        """Write or replace one metric of one cell."""
        self.replace(_shard("scores", f"{record.cell_id}.{record.metric}"), dump(record))

    # Scores of sets

    def set_scores(self, set_ids: Iterable[str]) -> dict[str, dict[str, SetScoreRecord]]:
        """Scores of sets of images, by set and metric; a set without any is left out."""
        found: dict[str, dict[str, SetScoreRecord]] = {}
        for record in self._read_many(self._named("set_scores", set_ids), SetScoreRecord).values():
            found.setdefault(record.set_id, {})[record.metric] = record
        return found

    def write_set_score(self, record: SetScoreRecord) -> None:
        """Write or replace one metric of one set."""
        self.replace(_shard("set_scores", f"{record.set_id}.{record.metric}"), dump(record))

    # VBench

    def dimension_scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, DimensionScoreRecord]]:
        """VBench's scores by cell and dimension; a cell without any is left out."""
        found: dict[str, dict[str, DimensionScoreRecord]] = {}
        for record in self._read_many(self._named("vbench", cell_ids), DimensionScoreRecord).values():
            found.setdefault(record.cell_id, {})[record.dimension] = record
        return found

    def write_dimension_score(self, record: DimensionScoreRecord) -> None:
        """Write or replace one dimension of one cell."""
        self.replace(_shard("vbench", f"{record.cell_id}.{record.dimension}"), dump(record))

    def scoring(self, suite: str) -> ScoringRecord | None:
        """What the last scoring of a suite with VBench left out; None where there was none."""
        return self._read_record(f"scorings/{suite}.json", ScoringRecord)

    def write_scoring(self, record: ScoringRecord) -> None:
        """Write or replace what a scoring left out."""
        self.replace(f"scorings/{record.suite}.json", dump(record))

    # Studies

    def study(self, suite: str) -> StudyRecord | None:
        """What people voted on the suite's videos, as last counted; None where nothing was."""
        return self._read_record(f"studies/{suite}.json", StudyRecord)

    def write_study(self, record: StudyRecord) -> None:
        """Write or replace the votes on a suite."""
        self.replace(f"studies/{record.suite}.json", dump(record))

    def _named(self, kind: str, ids: Iterable[str]) -> list[str]:
        """Paths of all sidecars of a kind that begin with one of these ids; only their shards are listed."""
        wanted = set(ids)
        return [
            f"{kind}/{prefix}/{name}"
            for prefix in sorted({one[:2] for one in wanted})
            for name in self.names(f"{kind}/{prefix}")
            if name.endswith(".json") and name.partition(".")[0] in wanted
        ]

    def _read_many(self, paths: list[str], kind: type[_R]) -> dict[str, _R]:
        with gc_pause():
            if self._local:
                records = [self._read_record(path, kind) for path in paths]
            else:
                with ThreadPoolExecutor(_READERS) as readers:
                    records = list(readers.map(lambda path: self._read_record(path, kind), paths))
        return {path: record for path, record in zip(paths, records, strict=True) if record is not None}

    def _read_record(self, path: str, kind: type[_R]) -> _R | None:
        """The record at `path`; None if there is none, or none that can be used."""
        data = self.read_bytes(path)
        if data is None:
            return None
        try:
            record = load(data, kind)
        except DamagedError as damage:
            if not data.endswith(b"}"):
                # Cut short; or, where there are no hard links, its writer is still at it.
                time.sleep(_WRITING_S)
                if self.read_bytes(path) != data:
                    return self._read_record(path, kind)
            self._move_aside(path, str(damage))
            return None
        except NewerSchemaError as error:
            raise StoreError(
                f"{path!r} in store {self.root!r} has schema version {error.version}, this harness reads up to "
                f"{SCHEMA_VERSION}; use the harness version that wrote it, or another store"
            ) from error
        if isinstance(record, CellRecord | ScoreRecord | DimensionScoreRecord) and not _is_about(path, record.cell_id):
            self._move_aside(path, f"it is about cell {record.cell_id}")
            return None
        return record

    def _move_aside(self, path: str, why: str) -> None:
        aside = f"corrupt/{path.replace('/', '-')}.{time.time_ns()}"
        LOGGER.warning("%s in store %s is damaged (%s); moved to %s and counted as absent", path, self.root, why, aside)
        try:
            self.move(path, aside)
        except StoreError as error:
            LOGGER.warning("%s", error)


def _is_about(path: str, cell_id: str) -> bool:
    return path.rpartition("/")[2].startswith(cell_id)


def _shard(kind: str, name: str) -> str:
    return f"{kind}/{name[:2]}/{name}.json"
