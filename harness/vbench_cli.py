"""VBench on the command line, scoring and `harness export-vbench`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import VBenchError, nearest

if TYPE_CHECKING:
    from harness.records import SuiteManifest
    from harness.store import Store
    from harness.suite import LoadedSuite


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


def score_vbench(store: Store, loaded: LoadedSuite, manifest: SuiteManifest) -> bool:
    """Score what is made with VBench, and say what cannot be. Whether all is scored."""
    if not manifest.vbench_dimensions:
        return True
    import torch

    from harness.doctor.needs import unavailable_dimensions
    from harness.vbench.scoring import score_suite

    scoring = score_suite(
        store,
        manifest,
        unavailable=unavailable_dimensions(loaded),
        devices=[f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"],
        on_score=_shown,
    )
    for name, reason in scoring.unavailable.items():
        print(f"warning: vbench {name}: {reason}", file=sys.stderr)
    failed = f", {scoring.failed} failed (in the report)" if scoring.failed else ""
    print(f"vbench: {scoring.scored} scores made, {scoring.already_scored} were there{failed}", file=sys.stderr)
    return scoring.complete


def _shown(done: int, total: int) -> None:
    """Every twentieth part."""
    if done == total or done * 20 // total > (done - 1) * 20 // total:
        print(f"vbench: {done} of {total} scores", file=sys.stderr)


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
