"""A row's videos in a folder of their own, under the names by which VBench's command finds them."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.dimensions import QUALITY, SEMANTIC
from harness.errors import VBenchError, nearest
from harness.records import CellRecord, RowManifest, SuiteManifest
from harness.store import Store
from harness.vbench.names import differing_in_case, tells_case_apart, video_name
from harness.vbench.prompts import SAMPLES


@dataclass(frozen=True)
class StagedVideo:
    """One video that VBench looks for, and the cell it was made as."""

    name: str
    cell_id: str


def row_of(manifest: SuiteManifest, name: str) -> RowManifest:
    """The row of this name.

    Raises:
        VBenchError: there is none, or it cannot run; or the suite's prompts are not VBench's.
    """
    if not manifest.prompt_dimensions:
        raise VBenchError(f"suite {manifest.suite!r} has other prompts than VBench's; give it prompts: {{vbench: ...}}")
    rows = {row.row: row for row in manifest.rows}
    if name not in rows:
        raise VBenchError(f"suite {manifest.suite!r} has no row {name!r}{nearest(name, rows)}")
    if (reason := rows[name].skip_reason) is not None:
        raise VBenchError(f"row {name!r} has no videos: {reason}")
    return rows[name]


def expected_videos(manifest: SuiteManifest, row: RowManifest, dimensions: Sequence[str]) -> tuple[StagedVideo, ...]:
    """What VBench wants to see of a row for these dimensions."""
    return tuple(
        StagedVideo(video_name(manifest.prompts[prompt_index], sample_index), cell_id)
        for cell_id, (prompt_index, sample_index) in zip(row.cell_ids, manifest.places(), strict=True)
        if not set(dimensions).isdisjoint(manifest.prompt_dimensions[prompt_index])
    )


def scored_names(manifest: SuiteManifest) -> dict[str, tuple[str, ...]]:
    """By dimension, the names of the videos that VBench scores; of prompts with more samples these are the static ones,
    which its filter numbers anew."""
    prompts = list(zip(manifest.prompts, manifest.prompt_dimensions, strict=True))
    return {
        dimension: tuple(
            video_name(prompt, sample) for prompt, names in prompts if dimension in names for sample in range(SAMPLES)
        )
        for dimension in QUALITY + SEMANTIC
    }


def stage(
    store: Store, manifest: SuiteManifest, row: RowManifest, dimensions: Sequence[str], folder: Path, *, copy: bool
) -> tuple[StagedVideo, ...]:
    """Put the videos in a folder that holds nothing else: as links, or with `copy` and from a remote store as copies.

    Every file is compared with the hash in its record. Repeating it changes nothing.

    Raises:
        VBenchError: a video is missing or is not the recorded one, the folder holds something else (VBench takes the
            ending of all names from any file it finds), or its disk does not tell `A` from `a`.
    """
    wanted = expected_videos(manifest, row, dimensions)
    records = _records(store, row, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    strangers = sorted(set(os.listdir(folder)) - {video.name for video in wanted})
    if strangers:
        raise VBenchError(f"{folder} holds {len(strangers)} other files, e.g. {strangers[0]!r}; give an empty folder")
    alike = differing_in_case(video.name for video in wanted)
    if alike and not tells_case_apart(folder):
        raise VBenchError(f"{folder}: its disk takes {alike[0][0]!r} and {alike[0][1]!r} for one; use another disk")
    for video in wanted:
        _place(store, records[video.cell_id], folder / video.name, copy=copy)
    return wanted


def _records(store: Store, row: RowManifest, wanted: Sequence[StagedVideo]) -> dict[str, CellRecord]:
    records = store.cells(video.cell_id for video in wanted)
    missing = [video.name for video in wanted if video.cell_id not in records]
    if missing:
        raise VBenchError(
            f"row {row.row!r}: {len(missing)} of {len(wanted)} videos are not made yet, e.g. {missing[0]!r};"
            " `harness run` the suite, or choose the dimensions whose videos are there with --dimension"
        )
    return records


def _place(store: Store, record: CellRecord, target: Path, *, copy: bool) -> None:
    assert record.video is not None
    with store.local_path(record.video) as video:
        if _sha256(video) != record.video_sha256:
            raise VBenchError(f"{record.video} is not the file that was recorded; remove it and run its cell again")
        link = not copy and video.is_relative_to(store.root)
        if target.is_symlink() or target.exists():
            if not link and not target.is_symlink() and _sha256(target) == record.video_sha256:
                return
            target.unlink()
        if link:
            target.symlink_to(video.resolve())
        else:
            shutil.copyfile(video, target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commands(folder: Path, results: Path, dimensions: Sequence[str]) -> Iterator[str]:
    """What to type to let VBench score a staged folder, one line for each dimension."""
    for dimension in dimensions:
        paths = shlex.join(["--videos_path", str(folder), "--output_path", str(results)])
        yield f"vbench evaluate --dimension {dimension} {paths}"
