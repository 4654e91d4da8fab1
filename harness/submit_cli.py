"""`harness submit`, `logs`, `stop` and `shell-init`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import SuiteError
from harness.shell_init import Shell, calling_shell, function_for

if TYPE_CHECKING:
    from harness.jobs import Job, Jobs

AddressOption = Annotated[
    str | None,
    typer.Option("--address", help="Head's Ray Jobs, http://HOST:8265; RAY_API_SERVER_ADDRESS, else this machine's"),
]
JobName = Annotated[str, typer.Argument(help="Job, or a suite's name for its newest", show_default=False)]


def submit(
    suite: Annotated[Path, typer.Argument(help="Suite file, e.g. suites/quickstart.yaml", show_default=False)],
    address: AddressOption = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Results, where all nodes see them; the suite's where left out")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many; the suite's or all where left out")] = None,
    track: Annotated[bool, typer.Option(help="Keep MLflow up to date")] = True,
    tiny: Annotated[bool, typer.Option("--tiny", help="As in `harness run`")] = False,
    first_prompts: Annotated[int | None, typer.Option("--first-prompts", min=1, help="As in `harness run`")] = None,
    working_dir: Annotated[Path, typer.Option(help="Folder the job runs in a copy of")] = Path(),
    upload: Annotated[bool, typer.Option(help="Copy the working directory; else all nodes see it as it is")] = True,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME[=VALUE]", help="A variable for the job; repeatable")
    ] = None,
    grace_s: Annotated[
        int | None, typer.Option(min=0, help="How long `harness stop` lets cells in flight finish", show_default="1800")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Show the job's log until it ends; Ctrl-C leaves the job alone")] = True,
) -> None:
    """Run a suite on a Ray cluster, as a job that needs this terminal no longer. Submit again to resume."""
    from harness.jobs import GRACE_S, Jobs, Submission
    from harness.store import Store
    from harness.variant import load_variant

    loaded = load_variant(suite, tiny=tiny, first_prompts=first_prompts)
    flags = {"--tiny": tiny, "--no-track": not track}
    values = {"--workers": workers, "--first-prompts": first_prompts}
    submission = Submission(
        suite_name=loaded.suite.suite,
        suite=suite,
        folder=working_dir.resolve(),
        store_root=Store(store or loaded.suite.store).root,
        options=(
            *(name for name, wanted in flags.items() if wanted),
            *(f"{name}={value}" for name, value in values.items() if value is not None),
        ),
        environment=_environment(env or []),
        upload=upload,
        grace_s=GRACE_S if grace_s is None else grace_s,
    )
    jobs = Jobs(address)
    job = jobs.submit(submission)
    print(f"job:    {job.job_id} at {jobs.address}")
    print(f"store:  {job.store_root}")
    if follow:
        _follow(jobs, job)
    else:
        print(f"log:    harness logs {job.job_id} --address {jobs.address}")


def logs(
    job: JobName,
    address: AddressOption = None,
    follow: Annotated[bool, typer.Option(help="Go on until the job has ended; else only what there is")] = True,
) -> None:
    """Show what a submitted job says, from its beginning. Exit code 0 if it has succeeded, or with --no-follow."""
    from harness.jobs import Jobs

    jobs = Jobs(address)
    found = jobs.job(job)
    if follow:
        _follow(jobs, found)
    else:
        _say(jobs.log(found))


def stop(job: JobName, address: AddressOption = None) -> None:
    """Let a submitted job finish the cells in flight, and end it. Nothing is lost: submit it again to resume."""
    from harness.jobs import Jobs

    jobs = Jobs(address)
    found = jobs.job(job)
    if not jobs.stop(found):
        print(f"{found.job_id} had ended: {found.state}")
        return
    print(f"{found.job_id} finishes the cells in flight and ends; `harness logs {found.job_id}` shows when")


def shell_init(
    shell: Annotated[Shell | None, typer.Argument(help="The calling one where left out", show_default=False)] = None,
) -> None:
    """Print a shell function that makes `ray submit SUITE.yaml` mean `harness submit`; see `harness.shell_init`."""
    print(function_for(shell or calling_shell()), end="")


def _follow(jobs: Jobs, job: Job) -> None:
    """Show the log until the job ends; exit code 1 unless it succeeded."""
    try:
        ended = jobs.follow(job, _say)
    except KeyboardInterrupt:
        print(f"\n{job.job_id} goes on; `harness logs {job.job_id}`, `harness stop {job.job_id}`", file=sys.stderr)
        raise typer.Exit(130) from None
    print(f"job {job.job_id}: {ended.state}", file=sys.stderr)
    if ended.state != "SUCCEEDED":
        why = f"{ended.message}\n" if ended.message else ""
        print(f"{why}`harness submit` the suite again to resume", file=sys.stderr)
        raise typer.Exit(1)


def _say(text: str) -> None:
    print(text, end="", flush=True)


def _environment(named: list[str]) -> dict[str, str]:
    """Variables for the job: those that are named, and where to track."""
    from harness.tracking_store import URI_VARIABLE

    tracking = os.environ.get(URI_VARIABLE)
    variables = {} if tracking is None else {URI_VARIABLE: tracking}
    for one in named:
        name, equals, value = one.partition("=")
        if not equals and name not in os.environ:
            raise SuiteError(f"--env {name}: is not set here; write --env {name}=VALUE")
        variables[name] = value if equals else os.environ[name]
    return variables
