from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_jobs import FakeClient, fake_ray_jobs
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.errors import SuiteError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return fake_ray_jobs(monkeypatch)


def harness(*arguments: str) -> Result:
    ran = CliRunner().invoke(app, [*arguments, "--address", "http://head:8265"])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran


def test_a_suite_is_sent_with_its_options(client: FakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    monkeypatch.setenv("HF_TOKEN", "secret")
    store = str(tmp_path / "runs")
    ran = harness(
        *("submit", "suites/quickstart.yaml", "--no-follow", "--store", store, "--first-prompts", "2", "--no-track"),
        *("--workers", "3", "--grace-s", "60", "--env", "HF_TOKEN", "--env", "A=b=c"),
    )
    assert ran.exit_code == 0
    assert "job:    quickstart-first2-1 at http://head:8265" in ran.stdout
    assert f"store:  {store}" in ran.stdout
    assert "secret" not in ran.stdout
    (sent,) = client.sent
    assert sent["entrypoint"] == (
        f"python -m harness run suites/quickstart.yaml --store {store} --no-track --workers=3 --first-prompts=2"
    )
    assert sent["runtime_env"]["working_dir"] == str(ROOT)
    assert sent["runtime_env"]["env_vars"] == {
        "RAY_JOB_STOP_WAIT_TIME_S": "60",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "HF_TOKEN": "secret",
        "A": "b=c",
    }


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("STOPPED", 1)])
def test_following_shows_the_log_and_ends_as_the_job_does(
    client: FakeClient, tmp_path: Path, state: str, code: int
) -> None:
    client.tails, client.log = [["7 of 7 cells"]], "7 of 7 cells done\n"
    client.states = ["PENDING", state]
    ran = harness("submit", "suites/quickstart.yaml", "--store", str(tmp_path))
    assert ran.exit_code == code
    assert ran.stdout.endswith("7 of 7 cells done\n")
    assert f"job quickstart-1: {state}" in ran.stderr
    assert ("again to resume" in ran.stderr) is bool(code)


def test_a_variable_that_is_not_set_is_refused_before_anything_is_sent(client: FakeClient) -> None:
    with pytest.raises(SuiteError, match="--env NO_SUCH: is not set here; write --env NO_SUCH=VALUE"):
        harness("submit", "suites/quickstart.yaml", "--env", "NO_SUCH")
    assert client.sent == []


def test_jobs_are_listed_shown_and_stopped(client: FakeClient) -> None:
    client.add("quickstart-1", "FAILED")
    client.add("quickstart-2")
    client.log = "3 of 7 cells done\n"
    listed = harness("status").stdout
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        ["quickstart-1", "FAILED"],
        ["quickstart-2", "RUNNING"],
    ]
    said = json.loads(harness("status", "--json").stdout)
    assert said["jobs"][1] == {
        "job_id": "quickstart-2",
        "suite": "quickstart",
        "store_root": "/shared/runs",
        "state": "RUNNING",
        "started_at": 2.0,
        "ended_at": None,
    }
    assert harness("logs", "quickstart", "--no-follow").stdout == client.log
    assert "quickstart-2 finishes the cells in flight" in harness("stop", "quickstart").stdout
    assert "quickstart-1 had ended: FAILED" in harness("stop", "quickstart-1").stdout
