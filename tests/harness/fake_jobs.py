"""A cluster's jobs in memory, behind the client of Ray Jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

import harness.jobs


class FakeClient:
    """Stands where Ray's client stands. `tails` are what each connection to the log yields before it breaks."""

    def __init__(self, address: str) -> None:
        self.jobs: list[SimpleNamespace] = []
        self.sent: list[dict[str, Any]] = []
        self.tails: list[list[str]] = []
        self.states: list[str] = []
        self.log = ""

    def add(self, job_id: str, state: str = "RUNNING", **metadata: str) -> None:
        status = SimpleNamespace(value=state)
        self.jobs.append(
            SimpleNamespace(
                submission_id=job_id,
                metadata={"suite": job_id.rpartition("-")[0], "store": "/shared/runs"} | metadata,
                status=status,
                start_time=1000 * (1 + len(self.jobs)),
                end_time=None,
                message="Runtime env\nis being set up",
                driver_exit_code=None,
            )
        )

    def list_jobs(self) -> list[SimpleNamespace]:
        if self.states and self.jobs:
            self.jobs[-1].status.value = self.states.pop(0)
        return [SimpleNamespace(submission_id=None, metadata=None), *self.jobs]

    def submit_job(self, **sent: Any) -> str:
        self.sent.append(sent)
        self.add(sent["submission_id"], "PENDING", **sent["metadata"])
        return str(sent["submission_id"])

    def stop_job(self, job_id: str) -> bool:
        return any(job.submission_id == job_id and job.status.value == "RUNNING" for job in self.jobs)

    def get_job_logs(self, job_id: str) -> str:
        return self.log

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        for text in self.tails.pop(0):
            yield text
        if self.tails:
            raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")


def fake_ray_jobs(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """Whoever asks for Ray's client gets this one, whatever the address."""
    submission = pytest.importorskip("ray.job_submission", reason="Ray Jobs")
    client = FakeClient("http://head:8265")
    monkeypatch.setattr(submission, "JobSubmissionClient", lambda address: client)
    monkeypatch.setattr(harness.jobs, "knock", lambda host, port: None)
    monkeypatch.setattr(harness.jobs, "_POLL_S", 0.0)
    return client
