"""The command line: parsing, and wiring the rooms together. Everything heavy is imported by the command that needs it.

Tables and progress go to standard error or to the terminal, `--json` prints one object on standard output and nothing
else. The exit code is 0 only when what was asked for was done.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harness.errors import HarnessError, SuiteError

if TYPE_CHECKING:
    from harness.ledger import RowCounts
    from harness.records import SuiteManifest
    from harness.store import Store

app = typer.Typer(
    help="Find out what a way to sample video diffusion faster costs, and what it breaks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train what ships with the harness.", no_args_is_help=True)
app.add_typer(train_app, name="train")

SuiteFile = Annotated[Path, typer.Argument(help="Suite file, e.g. suites/quickstart.yaml", show_default=False)]
SuiteRef = Annotated[str, typer.Argument(help="Suite file, or the name of a suite in --store", show_default=False)]
StoreOption = Annotated[str | None, typer.Option("--store", help="Results folder or URL; the suite's where left out")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else")]


def main() -> NoReturn:
    """Entry point: an error of ours is its message and exit code 1, never a traceback."""
    try:
        app()
    except HarnessError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(0)


@app.command()
def plan(suite: SuiteFile, as_json: JsonOption = False) -> None:
    """Print rows, cells and skip reasons. Loads no model."""
    from harness.plan import make_plan
    from harness.suite import load_suite

    made = make_plan(load_suite(suite))
    per_row = len(made.loaded.prompts) * made.loaded.suite.samples
    rows = [
        {
            "row": row.name,
            "family": row.model.family,
            "method": row.method_name,
            "config": row.method.config(),
            "cells": per_row if row.skip_reason is None else 0,
            "skip_reason": row.skip_reason,
        }
        for row in made.rows
    ]
    if as_json:
        _print_json({"suite": made.loaded.suite.suite, "cells": made.cells, "rows": rows})
        return
    _print_table(
        ("row", "family", "steps", "cells", "skipped because"),
        [
            (row.name, row.model.family, row.sampling.num_inference_steps, said["cells"], row.skip_reason or "")
            for row, said in zip(made.rows, rows, strict=True)
        ],
    )
    print(f"{made.cells} cells: {len(made.loaded.prompts)} prompts x {made.loaded.suite.samples} samples a row")


@app.command()
def run(
    suite: SuiteFile,
    store: StoreOption = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join; a local one is started without it")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many; the suite's or all where left out")] = None,
    track: Annotated[bool, typer.Option(help="Bring MLflow up to date afterwards")] = True,
) -> None:
    """Make and score every cell that is not done yet, then write the report and track it. Run again to resume."""
    from harness.run import run_suite

    ran = run_suite(suite, store_root=store, address=address, workers=workers)
    report = _write_report(ran.store, ran.manifest, None)
    print(f"report: {report.path}")
    tracked = not track or _track(ran.store, ran.manifest, report)
    summary = ran.summary
    print(
        f"{summary.made} cells made, {summary.already_done} were there, {summary.failed} failed,"
        f" {summary.elapsed_s:.0f} s",
        file=sys.stderr,
    )
    if not (summary.complete and tracked):
        raise typer.Exit(1)


@app.command()
def report(
    suite: SuiteRef,
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; STORE/reports/SUITE where left out")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write report.md and its figures from the records."""
    opened, manifest = _open(suite, store)
    written = _write_report(opened, manifest, out)
    if as_json:
        _print_json(written.json_object)
    else:
        print(f"report: {written.path}")


@app.command()
def status(suite: SuiteRef, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Print how far each row is."""
    opened, manifest = _open(suite, store)
    counts = _counts(opened, manifest)
    if as_json:
        names = ("row", "expected", "generated", "scored", "failed")
        _print_json({"rows": [{name: getattr(row, name) for name in names} for row in counts]})
    else:
        _print_table(
            ("row", "expected", "generated", "scored", "failed"),
            [(row.row, row.expected, row.generated, row.scored, row.failed) for row in counts],
        )


@app.command()
def track(suite: SuiteRef, store: StoreOption = None) -> None:
    """Bring MLflow up to date with the records; repeating it changes nothing."""
    opened, manifest = _open(suite, store)
    written = _write_report(opened, manifest, None)
    if not _track(opened, manifest, written):
        raise typer.Exit(1)


@app.command()
def ui(
    store: Annotated[str, typer.Option(help="Results folder")] = "runs",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Serve the MLflow UI on a results folder, to this machine alone, until interrupted."""
    from harness.tracking_store import HOST, serve_ui

    process = serve_ui(store, port)
    print(f"MLflow UI: http://{HOST}:{port} (Ctrl-C ends it)", file=sys.stderr)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        code = process.wait() and 0
    raise typer.Exit(1 if code else 0)


@app.command()
def schema() -> None:
    """Print the JSON schema of a suite, which is kept in suites/suite.schema.json."""
    from harness.suite_schema import suite_schema

    print(json.dumps(suite_schema(), indent=2, sort_keys=True))


@train_app.command("shapes")
def train_shapes(
    out: Annotated[Path, typer.Option(help="Folder of the finished pipeline")] = Path("harness/shapes/model"),
    work: Annotated[Path, typer.Option(help="Checkpoints; a second call goes on there")] = Path("runs/train-shapes"),
    evaluate_only: Annotated[bool, typer.Option("--evaluate-only", help="Only score --out and write its card")] = False,
) -> None:
    """Train the embedded text-to-video model from nothing, about an hour on two idle cores, and write its card."""
    from harness.shapes.train import ShapesTraining, write_card
    from harness.shapes.train import train_shapes as train

    if evaluate_only:
        write_card(out)
    else:
        train(ShapesTraining(), work, out)
    print(f"model: {out}")


def _open(suite: str, store: str | None) -> tuple[Store, SuiteManifest]:
    """The store and the planned suite, named by its file or by its name in a store."""
    from harness.store import Store
    from harness.suite import load_suite

    path = Path(suite)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        loaded = load_suite(path).suite
        opened = Store(store or loaded.store)
        return opened, opened.manifest(loaded.suite)
    if "/" in suite:
        raise SuiteError(f"{suite}: no such file; give a suite file, or the name of a suite in --store")
    opened = Store(store or "runs")
    return opened, opened.manifest(suite)


def _counts(store: Store, manifest: SuiteManifest) -> tuple[RowCounts, ...]:
    from harness.run import open_ledger

    with open_ledger(store) as ledger:
        ledger.sync(store, ())
        return ledger.counts(manifest)


def _write_report(store: Store, manifest: SuiteManifest, out: Path | None) -> Any:
    from reports.report import write_report

    return write_report(store, manifest, out or Path(store.root) / "reports" / manifest.suite)


def _track(store: Store, manifest: SuiteManifest, report: Any) -> bool:
    """Project the records onto MLflow. A failure is a warning: nothing is lost, and it can be repeated."""
    from harness.errors import TrackingError
    from harness.tracking import track as track_suite
    from harness.tracking_store import tracking_store
    from reports.projection import project

    try:
        where = tracking_store(store.root)
        tracked = track_suite(
            manifest,
            store,
            project(report.results, store),
            where,
            report_markdown=report.markdown,
            report_folder=report.path.parent,
        )
    except TrackingError as error:
        print(f"warning: {error}", file=sys.stderr)
        return False
    if not where.is_server:
        print(f"MLflow UI: harness ui --store {store.root}")
    print(f"compare:   {tracked.ui_link}")
    return True


def _print_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    Console(soft_wrap=True).print(table)
