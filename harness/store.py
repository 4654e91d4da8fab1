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
    studies/<suite>.json                StudyRecord
    corrupt/, tmp/                      damaged sidecars moved aside; files not yet committed
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from harness.errors import StoreError, nearest
from harness.files import Files
from harness.records import SCHEMA_VERSION, CellRecord, Record, ScoreRecord, SetScoreRecord, Status, SuiteManifest
from harness.study.record import StudyRecord

LOGGER = logging.getLogger(__name__)

_READERS = 32
"""Concurrent requests to a remote store; a local one is read in line."""

_R = TypeVar("_R", bound=Record)


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
        self.replace(f"suites/{manifest.suite}.json", _dump(manifest))

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
        won = self.create(path, _dump(record))
        if not won and self._read_record(path, CellRecord) is None:
            # What stood there was damaged and is now moved aside.
            won = self.create(path, _dump(record))
        self.remove(_shard("failures", record.cell_id))
        return won

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
            self.replace(_shard("failures", record.cell_id), _dump(record))

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
        wanted = set(cell_ids)
        found: dict[str, dict[str, ScoreRecord]] = {}
        paths = [
            f"scores/{prefix}/{name}"
            for prefix in sorted({cell_id[:2] for cell_id in wanted})
            for name in self.names(f"scores/{prefix}")
            if name.endswith(".json") and name.partition(".")[0] in wanted
        ]
        for record in self._read_many(paths, ScoreRecord).values():
            found.setdefault(record.cell_id, {})[record.metric] = record
        return found

    def score_records(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], ScoreRecord]:
        """Score records by cell and metric, of those of the pairs that are there; nothing is listed."""
        found = self._read_many([_shard("scores", f"{cell_id}.{metric}") for cell_id, metric in keys], ScoreRecord)
        return {(record.cell_id, record.metric): record for record in found.values()}

    def write_score(self, record: ScoreRecord) -> None:
        """Write or replace one metric of one cell."""
        self.replace(_shard("scores", f"{record.cell_id}.{record.metric}"), _dump(record))

    # Scores of sets

    def set_scores(self, set_ids: Iterable[str]) -> dict[str, dict[str, SetScoreRecord]]:
        """Scores of sets of images, by set and metric; a set without any is left out."""
        wanted = set(set_ids)
        paths = [
            f"set_scores/{prefix}/{name}"
            for prefix in sorted({set_id[:2] for set_id in wanted})
            for name in self.names(f"set_scores/{prefix}")
            if name.endswith(".json") and name.partition(".")[0] in wanted
        ]
        found: dict[str, dict[str, SetScoreRecord]] = {}
        for record in self._read_many(paths, SetScoreRecord).values():
            found.setdefault(record.set_id, {})[record.metric] = record
        return found

    def write_set_score(self, record: SetScoreRecord) -> None:
        """Write or replace one metric of one set."""
        self.replace(_shard("set_scores", f"{record.set_id}.{record.metric}"), _dump(record))

    # Studies

    def study(self, suite: str) -> StudyRecord | None:
        """What people voted on the suite's videos, as last counted; None where nothing was."""
        return self._read_record(f"studies/{suite}.json", StudyRecord)

    def write_study(self, record: StudyRecord) -> None:
        """Write or replace the votes on a suite."""
        self.replace(f"studies/{record.suite}.json", _dump(record))

    def _read_many(self, paths: list[str], kind: type[_R]) -> dict[str, _R]:
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
            record = kind.model_validate_json(data)
        except ValidationError as error:
            self._refuse_other_schema(path, data)
            self._move_aside(path, f"{error.error_count()} errors, first: {error.errors()[0]['msg']}")
            return None
        if isinstance(record, CellRecord | ScoreRecord) and not path.rpartition("/")[2].startswith(record.cell_id):
            self._move_aside(path, f"it is about cell {record.cell_id}")
            return None
        return record

    def _refuse_other_schema(self, path: str, data: bytes) -> None:
        """A sidecar of another harness version is sound, only not ours to read or to move."""
        try:
            version = json.loads(data)["schema_version"]
        except (ValueError, TypeError, KeyError):
            return
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{path!r} in store {self.root!r} has schema version {version}, this harness reads {SCHEMA_VERSION}; "
                "use the harness version that wrote it, or another store"
            )

    def _move_aside(self, path: str, why: str) -> None:
        aside = f"corrupt/{path.replace('/', '-')}.{time.time_ns()}"
        LOGGER.warning("%s in store %s is damaged (%s); moved to %s and counted as absent", path, self.root, why, aside)
        try:
            self.move(path, aside)
        except StoreError as error:
            LOGGER.warning("%s", error)


def _shard(kind: str, name: str) -> str:
    return f"{kind}/{name[:2]}/{name}.json"


def _dump(record: Record) -> bytes:
    # Pydantic's own JSON writer turns infinity (the PSNR of equal videos) into null, which reads as "does not apply".
    return json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False).encode()
