"""What the reports ask of a store. `harness.store.Store` is one; the tests use one that lives in memory."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Protocol

from harness.records import CellRecord, DimensionScoreRecord, ScoreRecord, ScoringRecord, SetScoreRecord
from harness.study.record import StudyRecord


class RecordSource(Protocol):
    """Read access to records and videos by cell id and by path below the store's root."""

    def cells(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """The finished cells among `cell_ids`, each with status ok."""
        ...

    def failures(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """The last attempt of each cell that was tried and did not finish."""
        ...

    def scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, ScoreRecord]]:
        """By cell id, then by metric name."""
        ...

    def set_scores(self, set_ids: Iterable[str]) -> dict[str, dict[str, SetScoreRecord]]:
        """Scores of whole sets of images, by set and metric."""
        ...

    def dimension_scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, DimensionScoreRecord]]:
        """VBench's scores, by cell id and dimension."""
        ...

    def scoring(self, suite: str) -> ScoringRecord | None:
        """What the last scoring of the suite with VBench left out; None where there was none."""
        ...

    def study(self, suite: str) -> StudyRecord | None:
        """What people voted on the suite's videos; None where nobody did."""
        ...

    def open(self, path: str, mode: str = "rb") -> AbstractContextManager[IO[Any]]:
        """An artifact, such as a video, below the root, for the length of a `with`."""
        ...

    def local_path(self, path: str) -> AbstractContextManager[Path]:
        """An artifact as a local file, for the length of a `with`; not to be changed. StoreError if it is not there."""
        ...

    def exists(self, path: str) -> bool:
        """Whether the artifact is there."""
        ...
