"""Jobs without a cluster: what is sent, and what is made of answers. `test_separate_cluster.py` asks a real head."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from fake_jobs import FakeClient, fake_ray_jobs

import harness.jobs as jobs_module
from harness.jobs import Job, JobError, Jobs, Submission, next_name

SUITE = Path("suites/quickstart.yaml")


def submission(folder: Path, **changes: Any) -> Submission:
    given = {"suite_name": "quickstart", "suite": folder / SUITE, "folder": folder, "store_root": "/shared/runs"}
    return Submission(**given | changes)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    fake_ray_jobs(monkeypatch)
    return Jobs("http://head:8265")


def client(jobs: Jobs) -> FakeClient:
    return jobs._client  # type: ignore[return-value]


def test_the_job_runs_the_suite_in_a_copy_of_the_folder(tmp_path: Path) -> None:
    sent = submission(tmp_path, options=("--workers=4", "--tiny"), environment={"HF_TOKEN": "t"})
    words = ["python", "-m", "harness", "run", str(SUITE), "--store", "/shared/runs", "--workers=4", "--tiny"]
    assert shlex.split(sent.entrypoint) == words
    assert sent.runtime_env["working_dir"] == str(tmp_path)
    assert sent.runtime_env["excludes"] == []
    assert sent.runtime_env["env_vars"] == {"RAY_JOB_STOP_WAIT_TIME_S": "1800", "HF_TOKEN": "t"}


def test_results_inside_of_the_folder_are_not_copied(tmp_path: Path) -> None:
    sent = submission(tmp_path, store_root=str(tmp_path / "results" / "runs"))
    assert sent.runtime_env["excludes"] == ["/results/runs"]
    assert submission(tmp_path, store_root="s3://bucket/runs").runtime_env["excludes"] == []


def test_without_a_copy_driver_and_workers_see_the_folder_itself(tmp_path: Path) -> None:
    folder = tmp_path / "my work"
    sent = submission(folder, upload=False)
    assert sent.entrypoint.startswith(f"cd '{folder}' && python -m harness run {SUITE} ")
    assert "working_dir" not in sent.runtime_env
    assert sent.runtime_env["env_vars"]["PYTHONPATH"].split(":")[0] == str(folder)


def test_a_suite_outside_of_the_folder_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"is outside of the working directory .*--working-dir"):
        _ = submission(tmp_path, suite=tmp_path.parent / "other.yaml").entrypoint


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ([], "small-1"),
        (["small-1", "small-12", "smaller-40", "small-first2-7", "small-x"], "small-13"),
    ],
)
def test_names_are_never_given_twice(known: list[str], name: str) -> None:
    assert next_name("small", iter(known)) == name


def test_sent_jobs_are_named_and_found(jobs: Jobs, tmp_path: Path) -> None:
    client(jobs).add("quickstart-1", "FAILED")
    sent = jobs.submit(submission(tmp_path))
    assert (sent.job_id, sent.suite, sent.store_root, sent.active) == (
        "quickstart-2",
        "quickstart",
        "/shared/runs",
        True,
    )
    assert client(jobs).sent[0]["metadata"] == {"suite": "quickstart", "store": "/shared/runs"}
    assert [job.job_id for job in jobs.all()] == ["quickstart-1", "quickstart-2"]
    assert jobs.job("quickstart").job_id == "quickstart-2"
    assert jobs.job("quickstart-1").state == "FAILED"
    assert jobs.job("quickstart-1").message == "Runtime env is being set up"
    with pytest.raises(JobError, match="no job 'quickstrat-1' at http://head:8265; did you mean 'quickstart-1'"):
        jobs.job("quickstrat-1")


def test_two_drivers_of_one_store_are_refused(jobs: Jobs, tmp_path: Path) -> None:
    client(jobs).add("quickstart-1")
    with pytest.raises(JobError, match=r"job quickstart-1 already runs quickstart into /shared/runs; .*harness stop"):
        jobs.submit(submission(tmp_path))
    assert jobs.submit(submission(tmp_path, store_root="/elsewhere")).job_id == "quickstart-2"


def test_a_broken_connection_is_taken_up_where_it_was(jobs: Jobs) -> None:
    client(jobs).add("quickstart-1")
    # Every connection begins with the whole log again.
    client(jobs).tails = [["one\n", "tw"], ["on"], ["one\ntwo\n", "three\n"]]
    client(jobs).states = ["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    client(jobs).log = "one\ntwo\nthree\nfour\n"
    said: list[str] = []
    ended = jobs.follow(jobs.job("quickstart-1"), said.append)
    assert "".join(said) == client(jobs).log
    assert ended.state == "SUCCEEDED"


def test_stopping_says_whether_there_was_anything_to_stop(jobs: Jobs) -> None:
    client(jobs).add("quickstart-1", "SUCCEEDED")
    client(jobs).add("quickstart-2")
    assert [jobs.stop(jobs.job(name)) for name in ("quickstart-1", "quickstart-2")] == [False, True]


def test_what_ray_answers_is_one_line(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(**sent: Any) -> str:
        raise RuntimeError("Request failed with status code 500:\nTraceback\nValueError: too large.")

    monkeypatch.setattr(client(jobs), "submit_job", refuse)
    with pytest.raises(JobError, match=r"^the Ray head at \S+ did not take job quickstart-1 \(RuntimeError: .*\)$"):
        jobs.submit(submission(tmp_path))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:1", "no Ray head answers at 'http://127.0.0.1:1'"),
        ("127.0.0.1:1", "no Ray head answers"),
        ("ray://head:10001", "is not the address of Ray Jobs"),
        ("http://127.0.0.1:nonsense", "no Ray head answers"),
    ],
)
def test_an_address_where_nobody_is_fails_at_once(address: str, message: str) -> None:
    with pytest.raises(JobError, match=message):
        Jobs(address)


def test_without_an_address_rays_own_variables_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(jobs_module, "knock", lambda host, port: asked.append((host, port)))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    assert jobs_module._job_address(None) == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "https://ray.example")
    assert jobs_module._job_address(None) == "https://ray.example"
    assert jobs_module._job_address("head") == "http://head:8265"
    assert asked == [("127.0.0.1", 8265), ("ray.example", 443), ("head", 8265)]


def test_a_job_waits_or_runs_or_has_ended() -> None:
    states = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED")
    assert [Job("s-1", "s", "/r", state, None, None, "").active for state in states] == [
        True,
        True,
        False,
        False,
        False,
    ]
