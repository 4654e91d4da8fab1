"""`harness status`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from harness.submit_cli import AddressOption

if TYPE_CHECKING:
    from harness.run_progress import RunProgress


def status(
    suite: Annotated[
        str | None, typer.Argument(help="Suite file, or its name in --store; left out: the jobs", show_default=False)
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Results folder or URL; the suite's where left out")
    ] = None,
    address: AddressOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else")] = False,
) -> None:
    """Print how far each row of a suite is, from the store alone; or, without a suite, the jobs of a cluster."""
    if suite is None:
        _print_jobs(address, as_json)
    else:
        _print_suite(suite, store, as_json)


def _print_suite(suite: str, store: str | None, as_json: bool) -> None:
    from harness.cli import _open, _print_json, _print_table
    from harness.row_counts import count_rows
    from harness.run_progress import read_progress

    opened, manifest = _open(suite, store)
    counts, said = count_rows(opened, manifest), read_progress(opened, manifest.suite)
    names = ("row", "expected", "generated", "scored", "failed")
    if as_json:
        rows = [{name: getattr(row, name) for name in names} for row in counts]
        _print_json({"rows": rows, "run": said.model_dump(mode="json") if said is not None else None})
        return
    _print_table(names, [tuple(getattr(row, name) for name in names) for row in counts])
    if said is not None:
        _print_word(said, time.time())


def _print_word(said: RunProgress, now: float) -> None:
    """What the driver said last, and whether it still does."""
    from harness.progress_view import duration, failure_lines, summary_line

    ago, driver = duration(now - said.said_at), f"{said.host}, pid {said.pid}"
    if said.ended:
        print(f"run:   ended {ago} ago ({driver})")
    elif said.silent(now):
        print(f"run:   no word from its driver ({driver}) for {ago}; run or submit the suite again to resume")
    else:
        print(f"run:   since {duration(now - said.began_at)} ({driver}, said {ago} ago)")
    print(f"       {summary_line(said)}")
    for line in failure_lines(said):
        print(f"       {line}")


def _print_jobs(address: str | None, as_json: bool) -> None:
    from harness.cli import _print_json, _print_table
    from harness.jobs import Jobs
    from harness.progress_view import duration

    jobs = Jobs(address).all()
    if as_json:
        names = ("job_id", "suite", "store_root", "state", "started_at", "ended_at")
        _print_json({"jobs": [{name: getattr(job, name) for name in names} for job in jobs]})
        return
    now = time.time()
    took = ["" if job.started_at is None else duration((job.ended_at or now) - job.started_at) for job in jobs]
    lines = [(job.job_id, job.state, one, job.store_root) for job, one in zip(jobs, took, strict=True)]
    _print_table(("job", "state", "took", "store"), lines)
