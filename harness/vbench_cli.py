"""`harness export-vbench`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import VBenchError, nearest

if TYPE_CHECKING:
    from harness.records import SuiteManifest


def export_vbench(
    suite: Annotated[str, typer.Argument(help="Suite file, or the name of a suite in --store", show_default=False)],
    row: Annotated[str, typer.Option(help="Row whose videos are meant", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write to", show_default=False)],
    store: Annotated[
        str | None, typer.Option("--store", help="Results folder or URL; the suite's where left out")
    ] = None,
    dimensions: Annotated[
        list[str] | None, typer.Option("--dimension", help="Only the videos for these; repeatable")
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy videos instead of linking to them")] = False,
    results: Annotated[
        Path | None, typer.Option(help="What VBench wrote: check it, and write the leaderboard's zip from it")
    ] = None,
) -> None:
    """Stage a row's videos so that VBench's own command finds them; with --results write its leaderboard's zip."""
    from harness.cli import _open
    from harness.vbench.staging import commands, row_of, stage

    opened, manifest = _open(suite, store)
    row_manifest = row_of(manifest, row)
    if results is not None:
        _write_zip(manifest, results, out)
        return
    asked = _asked(manifest, dimensions)
    staged = stage(opened, manifest, row_manifest, asked, out / "videos", copy=copy)
    print(f"{len(staged)} videos for {len(asked)} dimensions: {out / 'videos'}")
    print("where VBench is installed (temporal_flickering after its `vbench static_filter`):", file=sys.stderr)
    for command in commands(out / "videos", out / "results", asked):
        print(command)


def _asked(manifest: SuiteManifest, dimensions: list[str] | None) -> tuple[str, ...]:
    """The dimensions that are named, else all that the suite's prompts are for."""
    from harness.vbench.submission import DIMENSIONS

    there = {name for names in manifest.prompt_dimensions for name in names}
    for name in dimensions or ():
        if name not in there:
            raise VBenchError(f"--dimension {name}: the suite has no prompts for it{nearest(name, there)}")
    return tuple(name for name in DIMENSIONS if name in (dimensions or there))


def _write_zip(manifest: SuiteManifest, results: Path, out: Path) -> None:
    from harness.vbench.staging import scored_names
    from harness.vbench.submission import ZIP_NAME, check_results, read_results, write_submission

    found = read_results(results)
    check_results(found, scored_names(manifest))
    scores = write_submission(found, out / ZIP_NAME)
    for name in ("quality", "semantic", "total"):
        print(f"{name:<9}{100 * getattr(scores, name):.2f} %")
    print(f"submission: {out / ZIP_NAME}")
