"""The report's page to watch as an artifact of a run, where it finds its files by asking the server for each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

PAGE_FILE: Final = "report.html"
PAGE_FOLDER: Final = "page"
VIDEO_BYTES: Final = 200_000_000
"""Videos beyond this stay out of the tracking store, the last prompts first; the page says so of each."""
RUN_MARK: Final = '<meta name="mlflow-run" content="{}">'
"""How the page is told whose artifacts to ask for: MLflow's UI shows it from an address that does not say it."""


def fill_page(folder: Path, report_folder: Path, run_id: str) -> None:
    """Copy the page, its data and the first of its videos into `folder`; nothing where the report has no page."""
    page = report_folder / PAGE_FILE
    if not page.is_file():
        return
    text = page.read_text(encoding="utf-8").replace(RUN_MARK.format(""), RUN_MARK.format(run_id))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE_FILE).write_text(text, encoding="utf-8")
    files = report_folder / PAGE_FOLDER
    shutil.copytree(files / "data", folder / PAGE_FOLDER / "data", dirs_exist_ok=True)
    videos = folder / PAGE_FOLDER / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    left = VIDEO_BYTES
    # Names sort prompt by prompt, so that what is there can be compared.
    for video in sorted((files / "videos").iterdir()):
        left -= video.stat().st_size
        if left < 0:
            return
        shutil.copyfile(video, videos / video.name)
