"""A finished suite on the small wheel's prompts, whose videos are a few bytes each."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.records import CellKey, CellRecord, RowManifest, Status, SuiteManifest
from harness.store import Store

PROMPTS = ("a red car", "a still life")
SAMPLES = (5, 7)
ROW = "fora"


def manifest(skip_reason: str | None = None) -> SuiteManifest:
    """One row of two prompts, the second with more samples."""
    cell_ids = tuple(f"{number:032x}" for number in range(sum(SAMPLES))) if skip_reason is None else ()
    row = RowManifest(
        row=ROW,
        row_key="0" * 32,
        model_label="wan",
        model="some/hub",
        family="wan",
        method="fora",
        config={},
        sampling={},
        baseline=None,
        skip_reason=skip_reason,
        cell_ids=cell_ids,
    )
    return SuiteManifest(
        suite="small",
        suite_hash="0" * 32,
        suite_yaml="",
        prompts=PROMPTS,
        prompt_dimensions=(("color", "object_class"), ("temporal_flickering",)),
        samples=max(SAMPLES),
        prompt_samples=SAMPLES,
        metrics=(),
        rows=(row,),
    )


def make_videos(store: Store, planned: SuiteManifest, count: int | None = None) -> None:
    """Finish the first `count` cells of the row, all where left out."""
    (row,) = planned.rows
    for cell_id, (prompt_index, sample_index) in list(zip(row.cell_ids, planned.places(), strict=True))[:count]:
        content = f"{prompt_index}-{sample_index}".encode()
        path = f"videos/fora-00000000/{planned.prompts[prompt_index]}-{sample_index}.mp4"
        store.replace(path, content)
        key = CellKey(
            family="wan",
            model="some/hub",
            model_fingerprint="unpinned",
            dtype="float32",
            method="fora",
            config={},
            code="",
            sampling={},
            prompt=planned.prompts[prompt_index],
            seed=sample_index,
        )
        store.write_cell(
            CellRecord(
                cell_id=cell_id,
                suite=planned.suite,
                row=row.row,
                row_key=row.row_key,
                key=key,
                prompt_index=prompt_index,
                sample_index=sample_index,
                status=Status.OK,
                started_at=1.0,
                finished_at=2.0,
                video=path,
                video_sha256=hashlib.sha256(content).hexdigest(),
            )
        )


def finished(folder: Path, count: int | None = None) -> tuple[Store, SuiteManifest]:
    """A store with the suite and the videos of its first `count` cells."""
    store, planned = Store(str(folder)), manifest()
    store.write_manifest(planned)
    make_videos(store, planned, count)
    return store, planned
