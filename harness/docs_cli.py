"""The commands that keep tables and figures in documents: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

RECORDS = "records"
CALIBRATIONS = Path("suites/calibrations")


def archive(
    suite: Annotated[str, typer.Argument(help="Name of a suite in --store", show_default=False)],
    store: Annotated[str, typer.Option("--store", help="Results folder")] = "runs",
    out: Annotated[Path, typer.Option(help="Folder of the archive")] = Path("docs") / RECORDS,
) -> None:
    """Pack the records of a suite and the videos its pictures show into OUT/SUITE.tar.xz, for `harness docs`."""
    from harness.archive import write_archive
    from harness.store import Store
    from reports.figures.frames import shown_videos
    from reports.results import collect

    opened = Store(store)
    manifest = opened.manifest(suite)
    path = write_archive(opened, manifest, shown_videos(collect(opened, manifest)), out)
    print(f"archive: {path} ({path.stat().st_size / 1e3:.0f} kB)")


def docs(
    out: Annotated[Path, typer.Option(help="Folder with records/; tables/ and figures/ are written beside it")] = Path(
        "docs"
    ),
    calibrations: Annotated[Path, typer.Option(help="Folder of calibration files to draw")] = CALIBRATIONS,
    check: Annotated[bool, typer.Option("--check", help="Write nothing, fail if anything would change")] = False,
) -> None:
    """Make all of docs/tables and docs/figures again, from archived records and calibration files."""
    from reports.documents import write_documents

    changed = write_documents(out / RECORDS, calibrations, out, check=check)
    for path in changed:
        print(f"error: {path} is out of date; run without --check" if check else path, file=sys.stderr)
    if check and changed:
        raise typer.Exit(1)
    print(f"{out}: {len(changed)} files brought up to date" if changed else f"{out}: up to date")
