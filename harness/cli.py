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

from harness.docs_cli import archive, docs
from harness.doctor_cli import doctor
from harness.errors import HarnessError, SuiteError
from harness.status_cli import status
from harness.study_cli import study_app
from harness.submit_cli import logs, shell_init, stop, submit
from harness.train_cli import train_app
from harness.vbench_cli import export_vbench, score_until_ended, score_vbench

if TYPE_CHECKING:
    from harness.plan import Plan
    from harness.records import SuiteManifest
    from harness.store import Store
    from harness.suite import LoadedSuite

app = typer.Typer(
    help="Find out what a way to sample video diffusion faster costs, and what it breaks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(train_app, name="train")
app.add_typer(study_app, name="study")
app.command()(archive)
app.command()(docs)
app.command()(doctor)
app.command("export-vbench")(export_vbench)
app.command()(submit)
app.command()(status)
app.command()(logs)
app.command()(stop)
app.command("shell-init")(shell_init)

WHOLE_TABLE_WIDTH = 400
"""Columns; more than any table of numbers has."""

SuiteFile = Annotated[Path, typer.Argument(help="Suite file, e.g. suites/quickstart.yaml", show_default=False)]
SuiteRef = Annotated[str, typer.Argument(help="Suite file, or the name of a suite in --store", show_default=False)]
StoreOption = Annotated[str | None, typer.Option("--store", help="Results folder or URL; the suite's where left out")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else")]
TinyOption = Annotated[
    bool, typer.Option("--tiny", help="Swap every model for a tiny random one of its class; the suite is NAME-tiny")
]
FirstPromptsOption = Annotated[
    int | None,
    typer.Option("--first-prompts", min=1, help="Only so many prompts, one sample each; the suite is NAME-firstN"),
]


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
def plan(
    suite: SuiteFile,
    as_json: JsonOption = False,
    tiny: TinyOption = False,
    first_prompts: FirstPromptsOption = None,
    cost: Annotated[bool, typer.Option("--cost", help="Price every row: FLOPs, memory, hours given a rate")] = False,
    device_rate: Annotated[
        float | None, typer.Option("--device-rate", min=0.001, help="TFLOP/s of denoising, for GPU-hours")
    ] = None,
    device_rate_from: Annotated[
        str | None, typer.Option("--device-rate-from", help="Store whose timed videos say the rate")
    ] = None,
    traces_from: Annotated[
        str | None, typer.Option("--traces-from", help="Store whose videos say what adaptive rows compute")
    ] = None,
    slots: Annotated[
        int | None, typer.Option("--slots", min=1, help="Devices at once: when would the run end? Needs a rate")
    ] = None,
) -> None:
    """Print rows, cells and skip reasons, and with --cost what each costs. Loads no weights."""
    from harness.plan import make_plan
    from harness.planning.remembered import users_memory
    from harness.variant import load_variant

    remembered = users_memory()
    made = make_plan(load_variant(suite, tiny=tiny, first_prompts=first_prompts), remembered)
    if remembered is not None:
        remembered.keep()
    rows = [
        {
            "row": row.name,
            "family": row.model.family,
            "method": row.method_name,
            "config": row.config,
            "cells": made.cells_a_row if row.skip_reason is None else 0,
            "skip_reason": row.skip_reason,
        }
        for row in made.rows
    ] + [
        {
            "row": row.name,
            "family": row.model.family,
            "method": None,
            "config": None,
            "cells": 0,
            "skip_reason": row.stated.reason,
        }
        for row in made.stated
    ]
    said = {"suite": made.loaded.suite.suite, "cells": made.cells, "rows": rows}
    if cost:
        _print_cost(made, said, as_json, device_rate, device_rate_from, traces_from, slots)
        return
    if device_rate is not None or device_rate_from is not None or traces_from is not None or slots is not None:
        raise SuiteError("--device-rate, --device-rate-from, --traces-from and --slots are for --cost; add it")
    if as_json:
        _print_json(said)
        return
    steps = [row.sampling.num_inference_steps for row in made.rows]
    steps += [row.sampling.num_inference_steps for row in made.stated]
    _print_table(
        ("row", "family", "steps", "cells", "skipped because"),
        [
            (row["row"], row["family"], count, row["cells"], row["skip_reason"] or "")
            for row, count in zip(rows, steps, strict=True)
        ],
    )
    prompts = range(len(made.loaded.prompts))
    samples = " or ".join(str(count) for count in sorted({made.loaded.samples_of(index) for index in prompts}))
    print(f"{made.cells} cells: {len(prompts)} prompts x {samples} samples a row")


@app.command()
def run(
    suite: SuiteFile,
    store: StoreOption = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join; a local one is started without it")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many; the suite's or all where left out")] = None,
    track: Annotated[bool, typer.Option(help="Keep MLflow up to date")] = True,
    tiny: TinyOption = False,
    first_prompts: FirstPromptsOption = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Run without what `harness doctor` misses: columns `unavailable`")
    ] = False,
) -> None:
    """Make and score every cell that is not done yet, then write the report and track it. Run again to resume."""
    from harness.run import run_suite

    ran = run_suite(
        suite,
        store_root=store,
        address=address,
        workers=workers,
        tiny=tiny,
        first_prompts=first_prompts,
        allow_missing=allow_missing,
        track=track,
    )
    _score_image_sets(ran.store, ran.loaded, ran.manifest)
    score_vbench(ran.store, ran.loaded, ran.manifest, address)
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
def score(
    suite: SuiteFile,
    store: StoreOption = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster whose machines score with VBench")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on while a run makes videos")] = False,
    tiny: TinyOption = False,
    first_prompts: FirstPromptsOption = None,
) -> None:
    """Score what a run left, or makes: with VBench, and each row's images as a set (FID and the like)."""
    from harness.store import Store
    from harness.variant import load_variant

    loaded = load_variant(suite, tiny=tiny, first_prompts=first_prompts)
    if loaded.suite.image_set is None and loaded.suite.vbench is None:
        raise SuiteError(f"{suite}: asks for no such score; add vbench: {{}} or image_set: {{metrics: [fid]}}")
    opened = Store(store or loaded.suite.store)
    manifest = opened.manifest(loaded.suite.suite)

    def by_vbench() -> bool:
        return score_vbench(opened, loaded, manifest, address)

    vbench = score_until_ended(opened, loaded.suite.suite, by_vbench) if follow else by_vbench()
    sets = _score_image_sets(opened, loaded, manifest)
    if not (sets and vbench):
        raise typer.Exit(1)


@app.command()
def report(
    suite: SuiteRef,
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; STORE/reports/SUITE where left out")] = None,
    as_json: JsonOption = False,
    table: Annotated[str | None, typer.Option(help="Print this table alone, e.g. disca_table7")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="markdown, latex or csv: of --table, else of a file for each table")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="Markdown document whose marked tables of this suite are written anew")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="With --into: write nothing, fail if it would change")] = False,
    page: Annotated[bool, typer.Option(help="Write report.html, the page to watch, beside report.md")] = True,
) -> None:
    """Write report.md, its figures and report.html from the records, or tables on their own."""
    if check and into is None:
        raise SuiteError("--check is for --into; add it")
    if table is not None or form is not None or into is not None:
        _report_tables(suite, store, out, table, form, into, check)
        return
    opened, manifest = _open(suite, store)
    written = _write_report(opened, manifest, out, page=page)
    if as_json:
        _print_json(written.json_object)
    else:
        print(f"report: {written.path}")


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help="Paper, e.g. disca", show_default=False)],
    store: StoreOption = None,
    out: Annotated[Path, typer.Option(help="Folder of the document and its notes")] = Path("docs/reproduction"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing, fail if the document would change")] = False,
) -> None:
    """Write what became of a paper's claims and tables from the records of its suite."""
    from reports.reproductions import load, write_reproduction
    from reports.results import collect

    opened, manifest = _open(load(paper).SUITE, store)
    current = write_reproduction(paper, collect(opened, manifest), out, check=check)
    if check and not current:
        print(f"error: {out / paper}.md is out of date; run without --check", file=sys.stderr)
        raise typer.Exit(1)
    print(f"reproduction: {out / paper}.md")


@app.command()
def track(
    suite: SuiteRef,
    store: StoreOption = None,
    values_only: Annotated[
        bool, typer.Option("--values-only", help="No report and no files, as while the suite runs")
    ] = False,
) -> None:
    """Bring MLflow up to date with the records; repeating it changes nothing."""
    opened, manifest = _open(suite, store)
    written = None if values_only else _write_report(opened, manifest, None)
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
def calibrate(
    method: Annotated[str, typer.Argument(help="Method, e.g. teacache", show_default=False)],
    suite: SuiteFile,
    model: Annotated[str | None, typer.Option(help="Label in the suite; needed where it has several models")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; calibrations/MODEL/METHOD.json beside the suite where left out")
    ] = None,
    prompts: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many of the suite's; the authors' count where left out")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="An option of the calibration; repeatable")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder to draw what was measured into")] = None,
) -> None:
    """Measure the original on a suite's model and prompts, and write what a method needs to know of it to a file."""
    from harness.calibrate.calibration import write_calibration
    from harness.calibrate.run import calibrate as measure
    from harness.calibrate.run import only_label
    from harness.calibrate.use import default_path
    from harness.suite import load_suite
    from reports.calibration import draw_calibration

    loaded = load_suite(suite)
    label = only_label(loaded, model)
    calibration = measure(loaded, method, label=label, prompts=prompts, options=_pairs(options or []))
    path = out or default_path(loaded, label, method)
    write_calibration(calibration, path)
    print(f"{calibration.prompts.count} prompts, {calibration.sampling['num_inference_steps']} steps", file=sys.stderr)
    print(f"calibration: {path}")
    for drawn in draw_calibration(path, figures) if figures is not None else ():
        print(f"figure: {drawn}")


@app.command()
def schema() -> None:
    """Print the JSON schema of a suite, which is kept in suites/suite.schema.json."""
    from harness.suite_schema import suite_schema

    print(json.dumps(suite_schema(), indent=2, sort_keys=True))


def _pairs(options: list[str]) -> dict[str, str]:
    """`NAME=VALUE` taken apart."""
    pairs = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise SuiteError(f"--set {option}: has no '='; write --set NAME=VALUE")
        pairs[name] = value
    return pairs


def _print_cost(
    made: Plan,
    said: dict[str, Any],
    as_json: bool,
    device_rate: float | None,
    device_rate_from: str | None,
    traces_from: str | None,
    slots: int | None,
) -> None:
    """The plan with a price at each row."""
    from harness.cost.device_rate import given_rate, measured_rate
    from harness.cost.fleet_time import fleet_time
    from harness.cost.fleet_time import said as time_said
    from harness.cost.price import PriceList
    from harness.cost.table import LEFT_OUT, json_row, reasons, table, total_gpu_hours
    from harness.store import Store

    if device_rate is not None and device_rate_from is not None:
        raise SuiteError("--device-rate and --device-rate-from are both given; leave one out")
    if slots is not None and device_rate is None and device_rate_from is None:
        raise SuiteError("--slots needs to know how fast a device is; give --device-rate or --device-rate-from")
    rate = given_rate(device_rate) if device_rate is not None else None
    if device_rate_from is not None:
        rate = measured_rate(Store(device_rate_from))
    costs = PriceList(made, rate=rate, traces_from=Store(traces_from) if traces_from is not None else None).rows()
    hours, unknown = total_gpu_hours(costs) if rate is not None else (None, None)
    span = fleet_time(costs, made.cells_a_row, slots) if slots is not None else None
    if as_json:
        priced = [row | json_row(cost) for row, cost in zip(said["rows"], costs, strict=True)]
        rate_said = {"flops_per_s": rate.flops_per_s, "source": rate.source} if rate is not None else None
        ends = {"slots": slots, "lower_s": span.lower_s, "upper_s": span.upper_s} if span is not None else None
        _print_json(said | {"rows": priced, "gpu_hours": hours, "device_rate": rate_said, "ends_after": ends})
        return
    header, cells = table(costs)
    _print_table(header, [tuple(row) for row in cells], whole=True)
    print(LEFT_OUT)
    for line in reasons(costs):
        print(line)
    if rate is not None:
        more = f", without {unknown} rows that have no price" if unknown else ""
        print(f"{hours:.1f} GPU-hours of denoising at {rate.flops_per_s / 1e12:.4g} TFLOP/s ({rate.source}){more}")
    if span is not None and slots is not None:
        print(time_said(span, slots))


def _report_tables(
    suite: str, store: str | None, out: Path | None, table: str | None, form: str | None, into: Path | None, check: bool
) -> None:
    """Tables alone. Those of a suite file that was never run show what is published, and why the rest is missing."""
    from reports.export import check_names, table_text, write_tables
    from reports.results import collect
    from reports.splice import splice_file

    check_names(table, form)
    opened, manifest = _open(suite, store, plan_new=True)
    results = collect(opened, manifest)
    if into is not None:
        if table is not None or form is not None or out is not None:
            raise SuiteError("--into takes tables from the document's markers; leave out --table, --format and --out")
        current = splice_file(into, manifest.suite, lambda name: table_text(results, name, "markdown"), check=check)
        if check and not current:
            print(f"error: {into}: tables of {manifest.suite} are out of date; run without --check", file=sys.stderr)
            raise typer.Exit(1)
        print(f"{into}: {'was up to date' if current else 'brought up to date'}")
    elif table is not None:
        print(table_text(results, table, form or "markdown"), end="")
    else:
        folder = out or Path(opened.root) / "reports" / manifest.suite
        for path in write_tables(results, form or "markdown", folder / "tables"):
            print(f"table: {path}")


def _open(suite: str, store: str | None, *, plan_new: bool = False) -> tuple[Store, SuiteManifest]:
    """The store and the planned suite, named by its file or by its name in a store.

    With `plan_new` the file of a suite that the store does not know is planned.
    """
    from harness.store import Store
    from harness.suite import load_suite

    path = Path(suite)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        loaded = load_suite(path)
        opened = Store(store or loaded.suite.store)
        if plan_new and not opened.exists(f"suites/{loaded.suite.suite}.json"):
            from harness.plan import make_plan

            return opened, make_plan(loaded).manifest()
        return opened, opened.manifest(loaded.suite.suite)
    if "/" in suite:
        raise SuiteError(f"{suite}: no such file; give a suite file, or the name of a suite in --store")
    opened = Store(store or "runs")
    return opened, opened.manifest(suite)


def _score_image_sets(store: Store, loaded: LoadedSuite, manifest: SuiteManifest) -> bool:
    """Score the images of each row, and say why some are not. Whether all are."""
    if loaded.suite.image_set is None:
        return True
    from harness.image_sets.score import score_image_sets

    records = score_image_sets(store, loaded, manifest)
    reasons = dict.fromkeys(f"{record.metric}: {record.reason}" for record in records if record.status != "ok")
    for reason in reasons:
        print(f"warning: {reason}", file=sys.stderr)
    return not reasons


def _write_report(store: Store, manifest: SuiteManifest, out: Path | None, *, page: bool = True) -> Any:
    from reports.page.page import write_page
    from reports.report import write_report

    written = write_report(store, manifest, out or Path(store.root) / "reports" / manifest.suite)
    if page:
        print(f"watch:  {write_page(written.results, store, written.path.parent)}", file=sys.stderr)
    return written


def _track(store: Store, manifest: SuiteManifest, report: Any | None) -> bool:
    """Project the records onto MLflow, without a report their values alone.

    A failure is a warning: nothing is lost, and it can be repeated.
    """
    from harness.errors import TrackingError
    from harness.tracking import track as track_suite
    from harness.tracking_store import tracking_store
    from reports.projection import project
    from reports.results import collect

    try:
        where = tracking_store(store.root)
        tracked = track_suite(
            manifest,
            store,
            project(collect(store, manifest) if report is None else report.results, store),
            where,
            report_markdown=report.markdown if report is not None else None,
            report_folder=report.path.parent if report is not None else None,
            artifacts=report is not None,
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


def _print_table(header: tuple[str, ...], rows: list[tuple[Any, ...]], *, whole: bool = False) -> None:
    """A table as wide as the terminal, or with `whole` as wide as its cells."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    Console(soft_wrap=True, width=WHOLE_TABLE_WIDTH if whole else None).print(table)
