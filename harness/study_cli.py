"""`harness study`: parsing only, as in `harness.cli`."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import StudyError

study_app = typer.Typer(help="Let people say which videos are better.", no_args_is_help=True)

SuiteRef = Annotated[str, typer.Argument(help="Suite file, or the name of a suite in --store", show_default=False)]
StoreOption = Annotated[str | None, typer.Option("--store", help="Results folder or URL; the suite's where left out")]
VotesOption = Annotated[
    Path | None, typer.Option("--votes", help="SQLite file; STORE/studies/SUITE.sqlite where left out")
]


@study_app.command()
def serve(
    suite: SuiteRef,
    store: StoreOption = None,
    votes: VotesOption = None,
    host: Annotated[
        str, typer.Option(help="Address to serve on; others than this machine's need --invite")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Host name that raters type, the first for links; repeatable")
    ] = None,
    invite: Annotated[
        int, typer.Option(min=0, help="Print so many personal links more; from then on nobody enters without one")
    ] = 0,
    rows: Annotated[list[str] | None, typer.Option("--row", help="Only these rows; repeatable")] = None,
    against: Annotated[str | None, typer.Option(help="Only pairs with this row in them")] = None,
    reference: Annotated[
        bool, typer.Option(help="Show the original's video beside each pair, and do not ask about it")
    ] = False,
    questions: Annotated[int, typer.Option(min=1, help="A rater's at most")] = 40,
    raters_a_comparison: Annotated[
        int, typer.Option(min=1, help="Judge one comparison so often before another is opened")
    ] = 3,
    check_every: Annotated[int, typer.Option(min=0, help="One question of so many checks attention; 0 for none")] = 10,
) -> None:
    """Serve a page on which people compare two videos at a time, not knowing what made them, until interrupted."""
    from harness.cli import _open
    from harness.study.plan import plan_study
    from harness.study.serve import Address
    from harness.study.serve import serve as serve_study
    from harness.study.study import StudyOptions, finished_videos, open_study, open_votes

    address = Address.of(host, port, names or ())
    opened, manifest = _open(suite, store)
    plan = plan_study(
        manifest, finished_videos(opened, manifest), rows=rows or (), against=against, reference=reference
    )
    kept = open_votes(opened, manifest.suite, votes, reference_shown=reference)
    address.require_invitations(bool(invite) or kept.invitation_needed())

    def say_ready() -> None:
        comparisons = sum(len(pair.comparisons) for pair in plan.row_pairs)
        print(f"{len(plan.row_pairs)} pairs of rows, {comparisons} comparisons; votes: {kept.path}", file=sys.stderr)
        print(f"study: {address.url} (Ctrl-C ends it; begun again it goes on)", file=sys.stderr, flush=True)
        for invitation in kept.invite(invite):
            print(f"{address.url}?invitation={invitation}", flush=True)

    options = StudyOptions(questions, raters_a_comparison, check_every)
    with open_study(plan, kept, opened, options) as study, suppress(KeyboardInterrupt):
        serve_study(study, address, say_ready)


@study_app.command()
def report(
    suite: SuiteRef,
    store: StoreOption = None,
    votes: VotesOption = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; STORE/reports/SUITE where left out")] = None,
    track: Annotated[bool, typer.Option(help="Bring MLflow up to date afterwards")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, nothing else; leaves MLflow alone")
    ] = False,
) -> None:
    """Count the votes: win rates, Bradley-Terry strengths and agreement, into the report and MLflow."""
    from harness.cli import _open, _print_json, _track, _write_report
    from harness.study.study import read_votes
    from reports.export import table_text
    from reports.study.results import json_object

    opened, manifest = _open(suite, store)
    opened.write_study(read_votes(opened, manifest.suite, votes))
    written = _write_report(opened, manifest, out)
    if not written.results.study.models:
        cast = " and ".join(written.results.study.preferences.left_out) or "in attention checks"
        raise StudyError(f"no vote on suite {manifest.suite!r} counts: all were cast {cast}; ask more raters")
    if as_json:
        _print_json(json_object(written.results.study))
        return
    print(table_text(written.results, "user_study", "markdown"))
    print(f"report: {written.path}")
    if track and not _track(opened, manifest, written):
        raise typer.Exit(1)
