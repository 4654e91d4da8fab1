"""Runs on a cluster as Ray Jobs: sent, followed, stopped. The job's driver lives on the head, so a terminal may close.

A job is `python -m harness run SUITE` in a copy of the working directory, or in that folder itself where all nodes see
it. It is named SUITE-1, SUITE-2, ... A job that ended is not restarted by Ray: submitting again resumes the suite.

What Ray 2.60 does, and what follows from it: a job is stopped with SIGTERM, and killed 3 seconds later unless
RAY_JOB_STOP_WAIT_TIME_S says otherwise in the job's own environment; a cell takes minutes, so it does. A name is never
free again, not even after a failure. Ray leaves out of the copy what .gitignore names, .git and virtual environments.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import HarnessError, nearest
from harness.ray_cluster import knock, settle_authentication, short

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
"""Where Ray's head serves its dashboard, and Ray Jobs with it."""

ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Ray's own; the second only where it holds an http address."""

GRACE_S = 1800
"""How long `harness stop` lets cells in flight finish; they take up to 20 minutes."""

_DASHBOARD_PORT = 8265
_POLL_S = 1.0


class JobError(HarnessError):
    """A job cannot be sent, found or followed."""


@dataclass(frozen=True)
class Submission:
    """What to run. `folder` is the working directory, and `suite` a file below it."""

    suite_name: str
    suite: Path
    folder: Path
    store_root: str
    """Absolute, or a URL: the job runs elsewhere."""
    options: tuple[str, ...] = ()
    """Of `harness run`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    upload: bool = True
    """Copy the working directory to the cluster; else all nodes see it under its path."""
    grace_s: int = GRACE_S

    @property
    def entrypoint(self) -> str:
        """The shell command of the job. Raises JobError where the suite is not in the folder."""
        try:
            suite = self.suite.resolve().relative_to(self.folder.resolve())
        except ValueError:
            raise JobError(
                f"{self.suite} is outside of the working directory {self.folder}, which is all that the job sees; "
                "change to a folder above it, or name one with --working-dir"
            ) from None
        command = shlex.join(["python", "-m", "harness", "run", str(suite), "--store", self.store_root, *self.options])
        return command if self.upload else f"cd {shlex.quote(str(self.folder.resolve()))} && {command}"

    @property
    def runtime_env(self) -> dict[str, Any]:
        """Ray's description of the job's environment."""
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(self.grace_s), **self.environment}
        if not self.upload:
            # The workers import the same files as the driver, whatever is installed on the nodes.
            return {"env_vars": {"PYTHONPATH": f"{self.folder.resolve()}:${{PYTHONPATH}}", **variables}}
        return {"env_vars": variables, "working_dir": str(self.folder), "excludes": self._left_out()}

    def _left_out(self) -> list[str]:
        store = Path(self.store_root)
        inside = store.is_absolute() and store.is_relative_to(self.folder.resolve())
        return [f"/{store.relative_to(self.folder.resolve())}"] if inside else []


@dataclass(frozen=True)
class Job:
    """One job as the cluster knows it. Times are Unix seconds."""

    job_id: str
    suite: str
    store_root: str
    state: str
    """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED."""
    started_at: float | None
    ended_at: float | None
    message: str
    """Why Ray could not begin the job; empty where its log says what there is to say."""

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in {"PENDING", "RUNNING"}


class Jobs:
    """Our jobs on one cluster."""

    def __init__(self, address: str | None = None) -> None:
        """Connect to the head's address `http://HOST:8265`; left out, to Ray's variables' or this machine's.

        Raises JobError where nobody answers there, or the token is missing or wrong.
        """
        self.address = _job_address(address)
        settle_authentication(joining=True)
        from ray.job_submission import JobSubmissionClient

        # Otherwise Ray lists every file that it leaves out of the copy, and tells when a log has ended.
        for logger in ("ray", "ray.dashboard.modules.job.sdk"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        with self._explained("the connection"):
            self._client = JobSubmissionClient(self.address)

    def submit(self, submission: Submission) -> Job:
        """Send a job. Raises JobError where one already runs this suite into this store, or Ray does not take it."""
        entrypoint, known = submission.entrypoint, self.all()
        for job in known:
            if job.active and (job.suite, job.store_root) == (submission.suite_name, submission.store_root):
                raise JobError(
                    f"job {job.job_id} already runs {job.suite} into {job.store_root}; follow it with "
                    f"`harness logs {job.job_id}`, or `harness stop {job.job_id}` first"
                )
        name = next_name(submission.suite_name, (job.job_id for job in known))
        metadata = {"suite": submission.suite_name, "store": submission.store_root}
        with self._explained(f"job {name}"):
            self._client.submit_job(
                entrypoint=entrypoint, submission_id=name, runtime_env=submission.runtime_env, metadata=metadata
            )
        return self.job(name)

    def all(self) -> list[Job]:
        """Jobs that `harness submit` sent, in the order they began."""
        with self._explained("a question about jobs"):
            details = [one for one in self._client.list_jobs() if one.submission_id and "suite" in (one.metadata or {})]
        return sorted(map(_job, details), key=lambda job: (job.started_at or float("inf"), job.job_id))

    def job(self, name: str) -> Job:
        """A job by its id, or the newest of a suite by the suite's name. JobError if there is none."""
        jobs = self.all()
        found = [job for job in jobs if job.job_id == name] or [job for job in jobs if job.suite == name]
        if not found:
            hint = nearest(name, {job.job_id for job in jobs}) if jobs else "; none was submitted there"
            raise JobError(f"no job {name!r} at {self.address}{hint}")
        return found[-1]

    def stop(self, job: Job) -> bool:
        """Ask a job to finish the cells in flight and end; whether it was running. Returns at once."""
        with self._explained(f"the end of job {job.job_id}"):
            return bool(self._client.stop_job(job.job_id))

    def log(self, job: Job) -> str:
        """All that a job has written so far."""
        with self._explained(f"a question about the log of {job.job_id}"):
            return str(self._client.get_job_logs(job.job_id))

    def follow(self, job: Job, say: Callable[[str], None]) -> Job:
        """Pass on what a job writes, from its beginning until it has ended; how it ended.

        A connection that breaks is made anew and goes on where it was; JobError once the head answers no more.
        """
        said = 0
        while True:
            said = asyncio.run(self._pass_on(job, said, say))
            now = self.job(job.job_id)
            if not now.active:
                # The tail may end before the last lines are written.
                say(self.log(job)[said:])
                return now
            time.sleep(_POLL_S)

    async def _pass_on(self, job: Job, skip: int, say: Callable[[str], None]) -> int:
        """Say the log from character `skip` on, as it grows; how much of it has been said when the connection ends."""
        import aiohttp

        seen = 0
        try:
            stream: AsyncIterator[str] = self._client.tail_job_logs(job.job_id)
            async for text in stream:
                new = text[max(0, skip - seen) :]
                seen += len(text)
                if new:
                    say(new)
        except (RuntimeError, OSError, aiohttp.ClientError):
            # Whether the head is gone or only this connection, the next question tells.
            pass
        return max(seen, skip)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Ray's and requests' errors as ours."""
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            wants = "asks for a token" if "Authentication required" in str(error) else "refuses the token"
            raise JobError(
                f"the Ray head at {self.address} {wants}; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN (or "
                "RAY_AUTH_TOKEN_PATH) to what `ray get-auth-token` prints there"
            ) from error
        except (RuntimeError, ValueError, OSError, requests.exceptions.RequestException) as error:
            raise JobError(f"the Ray head at {self.address} did not take {what} ({short(error)})") from error


def next_name(suite: str, known: Iterator[str]) -> str:
    """The suite's name with the first number above all that were given out."""
    numbers = [name.removeprefix(f"{suite}-") for name in known if name.startswith(f"{suite}-")]
    return f"{suite}-{max((int(number) for number in numbers if number.isdecimal()), default=0) + 1}"


def _job(details: Any) -> Job:
    return Job(
        job_id=details.submission_id,
        suite=details.metadata["suite"],
        store_root=details.metadata.get("store", ""),
        state=str(details.status.value),
        started_at=details.start_time / 1000 if details.start_time else None,
        ended_at=details.end_time / 1000 if details.end_time else None,
        message="" if details.driver_exit_code is not None else " ".join((details.message or "").split()),
    )


def _job_address(address: str | None) -> str:
    """The address, once somebody answers there."""
    if address is None:
        named = (os.environ.get(variable, "") for variable in ADDRESS_VARIABLES)
        address = next((value for value in named if value.startswith("http")), DEFAULT_ADDRESS)
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise JobError(f"{address!r} is not the address of Ray Jobs; give http://HOST:{_DASHBOARD_PORT} of the head")
    try:
        port = parts.port or (443 if parts.scheme == "https" else _DASHBOARD_PORT)
        knock(parts.hostname, port)
    except (OSError, ValueError) as error:
        raise JobError(
            f"no Ray head answers at {address!r} ({error}); start one with `ray start --head`, or give its --address"
        ) from error
    return parts.geturl() if parts.port or parts.scheme == "https" else f"{parts.scheme}://{parts.hostname}:{port}"
