"""The files that go with a tracked row: the per-cell table, the suite, example videos, the report."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from harness.tracking_page import fill_page

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE_VIDEOS: Final = 3
"""Always the first ones: the same for every row, so that they can be compared."""


class VideoSource(Protocol):
    """Read access to files below the store's root."""

    def open(self, path: str, mode: str = "rb") -> AbstractContextManager[IO[Any]]:
        """A file for the length of a `with`."""
        ...

    def exists(self, path: str) -> bool:
        """Whether it is there."""
        ...


@dataclass(frozen=True)
class RowArtifacts:
    """What belongs to one row's run. `videos` are paths in the source, one per prompt in the plan's order."""

    cells: pd.DataFrame
    suite_yaml: str
    strip: bytes | None
    videos: Sequence[str]
    report_folder: Path | None
    run_id: str


def fill(folder: Path, artifacts: RowArtifacts, source: VideoSource) -> None:
    """Write `cells.parquet`, `suite.yaml`, `frames.png`, `videos/*.mp4` and `report/` into an empty folder."""
    artifacts.cells.to_parquet(folder / "cells.parquet", index=False)
    (folder / "suite.yaml").write_text(artifacts.suite_yaml, encoding="utf-8")
    if artifacts.strip is not None:
        (folder / "frames.png").write_bytes(artifacts.strip)
    there = (name for name in artifacts.videos if source.exists(name))
    for name in islice(there, EXAMPLE_VIDEOS):
        target = folder / "videos" / PurePosixPath(name).name
        target.parent.mkdir(exist_ok=True)
        with source.open(name, "rb") as video, target.open("wb") as copy:
            shutil.copyfileobj(video, copy)
    if artifacts.report_folder is not None and artifacts.report_folder.is_dir():
        report = artifacts.report_folder
        for path in [report / "report.md", *sorted((report / "figures").glob("*.*"))]:
            if path.is_file():
                target = folder / "report" / path.relative_to(report)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        fill_page(folder / "report", report, artifacts.run_id)


def fingerprint(folder: Path) -> str:
    """One hash over names and contents of all files in the folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()
