"""VBench on the command line, scoring and `harness export-vbench`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import VBenchError, nearest

if TYPE_CHECKING:
    from harness.records import SuiteManifest
    from harness.store import Store
    from harness.suite import LoadedSuite
    from harness.vbench.scoring import Scoring

BETWEEN_PASSES_S = 60.0
"""How long `harness score --follow` lets videos gather, since each pass loads the models it needs."""


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


def score_vbench(store: Store, loaded: LoadedSuite, manifest: SuiteManifest, address: str | None = None) -> bool:
    """Score what is made with VBench, here or on a cluster, and say what cannot be. Whether all is scored."""
    if not manifest.vbench_dimensions:
        return True
    from harness.ray_cluster import cluster_address

    if cluster_address(address) is None:
        scoring = _scored_here(store, loaded, manifest)
    else:
        scoring = _scored_by_fleet(store, manifest, address)
    for name, reason in scoring.unavailable.items():
        print(f"warning: vbench {name}: {reason}", file=sys.stderr)
    failed = f", {scoring.failed} failed (in the report)" if scoring.failed else ""
    print(f"vbench: {scoring.scored} scores made, {scoring.already_scored} were there{failed}", file=sys.stderr)
    return scoring.complete


def score_until_ended(store: Store, suite: str, score: Callable[[], bool]) -> bool:
    """Score again and again while a run of the suite makes videos, and once more when it has ended or is silent.

    Raises:
        VBenchError: no run of it has said anything in this store.
    """
    from harness.run_progress import read_progress

    while True:
        said = read_progress(store, suite)
        if said is None:
            raise VBenchError(f"no run of {suite} is known in {store.root}; begin it first, or leave --follow out")
        over = said.ended or said.silent(time.time())
        complete = score()
        if over:
            return complete
        time.sleep(BETWEEN_PASSES_S)


def _scored_here(store: Store, loaded: LoadedSuite, manifest: SuiteManifest) -> Scoring:
    import torch

    from harness.doctor.needs import unavailable_dimensions
    from harness.vbench.scoring import score_suite

    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]
    lacking = unavailable_dimensions(loaded.vbench_dimensions)
    return score_suite(store, manifest, unavailable=lacking, devices=devices, on_score=_shown)


def _scored_by_fleet(store: Store, manifest: SuiteManifest, address: str | None) -> Scoring:
    """What is missing on the cluster's machines, their scorers say."""
    from harness.ray_cluster import joined_ray
    from harness.ray_scorers import RayScorers
    from harness.vbench.scoring import score_suite

    with joined_ray(address, None) as ray:
        fleet = RayScorers(ray)
        return score_suite(
            store, manifest, unavailable={}, devices=fleet.devices, open_scorer=fleet.open, on_score=_shown
        )


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
