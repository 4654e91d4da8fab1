"""A SQLite index of the store, so that counting 75,000 cells does not open 75,000 files.

Written by the driver alone. It holds nothing that the store does not, except the history of attempts: delete the file
and the next `sync` builds it again. Keep it on the driver's own disk; the store may be anywhere.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.durations import Measured
from harness.errors import StoreError
from harness.local_disk import is_own_disk
from harness.records import CellRecord, SuiteManifest, canonical_hash
from harness.store import Store
from harness.vbench.package import cache_folder

LOGGER = logging.getLogger(__name__)

_VERSION = 2
"""Of the tables below; a file of another version is made anew."""

_TABLES = """
CREATE TABLE cells (
    cell_id TEXT PRIMARY KEY, status TEXT NOT NULL, stamp TEXT NOT NULL, suite TEXT NOT NULL, row_key TEXT NOT NULL,
    attempt INTEGER NOT NULL, reason TEXT, worker TEXT, started_at REAL NOT NULL, finished_at REAL NOT NULL,
    video TEXT, video_bytes INTEGER
) WITHOUT ROWID;
CREATE TABLE scores (
    cell_id TEXT, metric TEXT, status TEXT NOT NULL, stamp TEXT NOT NULL, reference TEXT, PRIMARY KEY (cell_id, metric)
) WITHOUT ROWID;
CREATE TABLE attempts (
    cell_id TEXT, attempt INTEGER, started_at REAL, finished_at REAL NOT NULL, status TEXT NOT NULL, reason TEXT,
    worker TEXT, PRIMARY KEY (cell_id, attempt, started_at)
) WITHOUT ROWID;
"""

LEDGER_FILE = "ledger.sqlite"

_BATCH = 2_000
"""Sidecars read, and then written in one transaction."""

_T = TypeVar("_T")


def ledger_path(store: Store) -> Path:
    """Where the index of a store lies: in its folder, or, where that is not on a disk, in this user's cache."""
    if "://" not in store.root:
        return Path(store.root) / LEDGER_FILE
    return cache_folder() / "ledgers" / f"{canonical_hash(store.root)}.sqlite"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How far one row is. `expected` is the plan; the others count cells of that plan."""

    row: str
    expected: int
    generated: int
    scored: int
    """Generated, and every metric of the suite is there: as a number, or as a reason why there can be none."""
    failed: int
    """Not generated, and the last attempt failed."""


class Ledger:
    """An open index. Use it as a context, or close it."""

    def __init__(self, path: str | Path) -> None:
        """Open or create the file. A damaged one is moved aside and built anew; StoreError if that is impossible."""
        self._path = Path(path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = self._open()
            except sqlite3.OperationalError:
                # Locked, or no permission: the file itself is sound.
                raise
            except sqlite3.DatabaseError as error:
                self._set_aside(f"it is damaged ({error})")
                self._connection = self._open()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"ledger {str(path)!r} cannot be opened ({error}); check its folder, or delete it: it is only an index"
            ) from error

    def __enter__(self) -> Ledger:
        """Itself; closed on leaving."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; the ledger cannot be used afterwards."""
        self._connection.close()

    def sync(self, store: Store, cell_ids: Iterable[str]) -> set[str]:
        """Make the index equal to the store, and return those of `cell_ids` that are done.

        Compares listings and opens only sidecars that are new or changed; damaged ones count as absent.
        """
        done = store.cell_ids()
        failures = {cell_id: stamp for cell_id, stamp in store.failure_stamps().items() if cell_id not in done}
        known = dict(self._rows("SELECT cell_id, stamp FROM cells"))
        # A committed cell never changes, so its presence is all of its stamp.
        wanted = dict.fromkeys(done, "") | failures
        stale = [cell_id for cell_id, stamp in known.items() if wanted.get(cell_id) != stamp]
        with self._transaction():
            self._connection.executemany("DELETE FROM cells WHERE cell_id = ?", [(cell_id,) for cell_id in stale])
        damaged: set[str] = set()
        for batch in _batches([cell_id for cell_id, stamp in wanted.items() if known.get(cell_id) != stamp]):
            finished = [cell_id for cell_id in batch if cell_id in done]
            records = store.cells(finished)
            damaged.update(set(finished) - records.keys())
            records |= store.failures(cell_id for cell_id in batch if cell_id not in done)
            with self._transaction():
                self._insert_cells(records.values(), wanted)
                self._insert_attempts(records.values())
        self._sync_scores(store)
        return (done - damaged) & set(cell_ids)

    def record_attempt(self, *records: CellRecord) -> None:
        """Add ended attempts to the history and to the index, in one transaction. Repeating one changes nothing.

        The stamps of failures stay open, so that the next `sync` reads them from the store, which has the last word.
        """
        with self._transaction():
            self._insert_attempts(records)
            self._insert_cells(records, {})

    def attempts(self, cell_id: str) -> int:
        """How many attempts at a cell are known."""
        ((count,),) = self._rows("SELECT count(*) FROM attempts WHERE cell_id = ?", cell_id)
        return int(count)

    def scored(self, metrics: Iterable[str]) -> set[str]:
        """Cells that have an answer for each of these metrics, a number or why there is none, as of the last `sync`."""
        cells = {str(cell_id) for (cell_id,) in self._rows("SELECT cell_id FROM cells")}
        for metric in metrics:
            rows = self._rows("SELECT cell_id FROM scores WHERE metric = ? AND status != 'failed'", metric)
            cells &= {str(cell_id) for (cell_id,) in rows}
        return cells

    def measured(self) -> dict[str, Measured]:
        """What finished cells took, loading and scoring included, by row key, as of the last `sync`."""
        query = "SELECT row_key, count(*), sum(finished_at - started_at) FROM cells WHERE status = 'ok'"
        return {row: Measured(cells, seconds) for row, cells, seconds in self._rows(f"{query} GROUP BY row_key")}

    def compared_with_others(self, references: Mapping[str, str | None]) -> set[str]:
        """Those of the cells that were scored against another original than is given for them here."""
        rows = self._rows("SELECT cell_id, reference FROM scores WHERE reference NOT NULL")
        return {cell_id for cell_id, reference in rows if references.get(cell_id, reference) != reference}

    def cut_videos(self, store: Store) -> set[str]:
        """Finished cells whose video is not as long as when it was written, as of the last `sync`.

        A video that is gone is no such case: a store may be kept without its videos.
        """
        sizes = store.video_bytes()
        rows = self._rows("SELECT cell_id, video, video_bytes FROM cells WHERE status = 'ok' AND video_bytes NOT NULL")
        return {cell_id for cell_id, video, written in rows if sizes.get(video, written) != written}

    def counts(self, manifest: SuiteManifest) -> tuple[RowCounts, ...]:
        """How far each row of a suite is, in the suite's order, as of the last `sync`."""
        states = dict(self._rows("SELECT cell_id, status FROM cells"))
        metrics: dict[str, set[str]] = {}
        for cell_id, metric in self._rows("SELECT cell_id, metric FROM scores WHERE status != 'failed'"):
            metrics.setdefault(cell_id, set()).add(metric)
        return tuple(
            _count(row.row, set(row.cell_ids), states, metrics, set(manifest.metrics)) for row in manifest.rows
        )

    def _sync_scores(self, store: Store) -> None:
        stamps = store.score_stamps()
        rows = self._rows("SELECT cell_id, metric, stamp FROM scores")
        known = {(cell_id, metric): stamp for cell_id, metric, stamp in rows}
        stale = [key for key, stamp in known.items() if stamps.get(key) != stamp]
        with self._transaction():
            self._connection.executemany("DELETE FROM scores WHERE cell_id = ? AND metric = ?", stale)
        for batch in _batches(sorted(key for key, stamp in stamps.items() if known.get(key) != stamp)):
            records = store.score_records(batch)
            with self._transaction():
                self._connection.executemany(
                    "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)",
                    [(*key, record.status, stamps[key], record.reference_cell_id) for key, record in records.items()],
                )

    def _insert_cells(self, records: Iterable[CellRecord], stamps: dict[str, str]) -> None:
        rows = [
            (
                record.cell_id,
                record.status.value,
                stamps.get(record.cell_id, "" if record.status.value == "ok" else "?"),
                record.suite,
                record.row_key,
                record.attempt,
                record.reason,
                record.worker,
                record.started_at,
                record.finished_at,
                record.video,
                record.video_bytes,
            )
            for record in records
        ]
        # A failure reported late never hides a finished cell.
        self._connection.executemany(
            "INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (cell_id) DO UPDATE SET "
            "status = excluded.status, stamp = excluded.stamp, suite = excluded.suite, row_key = excluded.row_key, "
            "attempt = excluded.attempt, reason = excluded.reason, worker = excluded.worker, "
            "started_at = excluded.started_at, finished_at = excluded.finished_at, video = excluded.video, "
            "video_bytes = excluded.video_bytes WHERE cells.status != 'ok'",
            rows,
        )

    def _insert_attempts(self, records: Iterable[CellRecord]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    record.cell_id,
                    record.attempt,
                    record.started_at,
                    record.finished_at,
                    record.status.value,
                    record.reason,
                    record.worker,
                )
                for record in records
            ],
        )

    def _rows(self, query: str, *values: str) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"ledger {str(self._path)!r} cannot be used ({error}); if no other driver is running, delete it: "
            "it is only an index"
        )

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=20.0, isolation_level=None)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and version != _VERSION:
                connection.close()
                self._set_aside(f"its version is {version}, this harness writes {_VERSION}")
                return self._open()
            local = is_own_disk(self._path)
            connection.execute(f"PRAGMA journal_mode = {'WAL' if local else 'DELETE'}")
            connection.execute("PRAGMA synchronous = NORMAL")
            if not tables:
                connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {_VERSION};COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, why: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.{time.time_ns()}")
        LOGGER.warning("ledger %s is built anew: %s; the old file is now %s", self._path, why, aside)
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _count(
    row: str, cell_ids: Set[str], states: dict[str, str], metrics: dict[str, set[str]], wanted: Set[str]
) -> RowCounts:
    generated = {cell_id for cell_id in cell_ids if states.get(cell_id) == "ok"}
    return RowCounts(
        row=row,
        expected=len(cell_ids),
        generated=len(generated),
        scored=sum(1 for cell_id in generated if metrics.get(cell_id, set()) >= wanted),
        failed=sum(1 for cell_id in cell_ids if cell_id in states and cell_id not in generated),
    )


def _batches(items: list[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
