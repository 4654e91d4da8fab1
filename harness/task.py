"""What travels from the driver to a worker: one cell, complete and picklable."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from harness.images import FirstFrame
from harness.parallel import Parallel
from harness.records import CellKey, CellRecord, Status
from harness.resources import Resources


@dataclass(frozen=True, slots=True)
class ModelRung:
    """A trained student in the place of a pipeline's own transformer, whatever the row's method."""

    folder: str
    card_hash: str
    """What the folder held as the suite was planned; see `harness.planning.rungs.rung_hash`."""
    guidance_scale: float


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which pipeline a cell needs. Equal specs share one resident pipeline."""

    label: str
    family: str
    model: str
    """Folder or hub id."""
    revision: str | None
    dtype: str
    rung: ModelRung | None = None
    resources: Resources = field(default_factory=Resources)
    """What a worker must have been given for it."""
    parallel: Parallel | None = None
    """Over how many devices each of its videos is spread; None for one."""


@dataclass(frozen=True, slots=True)
class CellTask:
    """One cell to make and score."""

    cell_id: str
    key: CellKey
    model: ModelSpec
    suite: str
    row: str
    row_key: str
    row_index: int
    prompt_index: int
    sample_index: int
    video: str
    """Path of the mp4 below the store's root."""
    reference_cell_id: str | None
    """The original's cell that must be finished before this one; None for an original."""
    metrics: tuple[str, ...]
    fps: float = 16.0
    """Frames per second of the video file."""
    expected_cost: float = 1.0
    """Relative, the original's being 1; only the order of work depends on it."""
    keep_lossless: bool = False
    """Whether the lossless copy stays once the cell is scored: metrics of whole rows read it."""
    drop_reference: bool = False
    """Whether the reference's lossless copy goes once the last cell compared with it is scored."""
    first_frame: FirstFrame | None = None
    """The image the video begins with, where the family needs one."""
    rungs: tuple[tuple[str, str], ...] = ()
    """Folders of trained weights by the method's field; in `key.config` stands what is in them."""

    def record(self, status: Status, *, attempt: int, started_at: float, worker: str, **measured: Any) -> CellRecord:
        """The record of an attempt at this cell that ends now; `measured` are further fields of it."""
        return CellRecord(
            cell_id=self.cell_id,
            suite=self.suite,
            row=self.row,
            row_key=self.row_key,
            key=self.key,
            prompt_index=self.prompt_index,
            sample_index=self.sample_index,
            status=status,
            attempt=attempt,
            started_at=started_at,
            reference_cell_id=self.reference_cell_id,
            worker=worker,
            **{"finished_at": time.time(), **measured},
        )
