"""The store's videos beside the page: as hard links where the file system can, else as copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.records import CellRecord
from reports.results import Results
from reports.source import RecordSource


def place_videos(results: Results, source: RecordSource, folder: Path) -> dict[str, str]:
    """Put the finished cells' videos into `folder`, and remove from it what no cell has any more.

    Returns the files' names by cell id; a cell whose video has left the store is not among them. A linked file costs no
    space, and stays as it is when the store replaces its own, because the store never writes into a file that is there.
    Raises OSError where the folder cannot be written, StoreError where a video that is there cannot be fetched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {entry.name for entry in os.scandir(folder)}
    names: dict[str, str] = {}
    for name, record in _named(results):
        if name in there or _place(source, record, f"{folder}/{name}"):
            names[record.cell_id] = name
    for stale in there - set(names.values()):
        (folder / stale).unlink()
    return names


def _named(results: Results) -> Iterator[tuple[str, CellRecord]]:
    """Videos with their names, which sort prompt by prompt and are never given to another content."""
    places = results.manifest.places()
    for number, row in enumerate(results.manifest.rows):
        for cell_id, (prompt, sample) in zip(row.cell_ids, places, strict=False):
            record = results.frame.records.get(cell_id)
            if record is not None and record.video is not None:
                content = (record.video_sha256 or cell_id)[:16]
                yield f"{prompt:05d}-{sample:02d}-{number:03d}-{content}.mp4", record


def _place(source: RecordSource, record: CellRecord, target: str) -> bool:
    """False where the store has no such file."""
    if record.video is None or not source.exists(record.video):
        return False
    with source.local_path(record.video) as video:
        try:
            os.link(video, target)
        except OSError:
            shutil.copyfile(video, target)
    return True
