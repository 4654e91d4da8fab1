from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import harness.status_cli
from harness.cli import app
from harness.records import SuiteManifest
from harness.run_progress import SILENT_AFTER_S, RowProgress, RunProgress, write_progress
from harness.store import Store

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A suite without rows, so that only what its driver says is of interest; it is NOW."""
    monkeypatch.setattr(harness.status_cli, "time", SimpleNamespace(time=lambda: NOW))
    store = Store(str(tmp_path))
    store.write_manifest(
        SuiteManifest(
            suite="small", suite_hash="h", suite_yaml="", prompts=("p",), samples=1, metrics=("psnr",), rows=()
        )
    )
    return store


def said(ago_s: float, *, ended: bool = False) -> RunProgress:
    return RunProgress(
        suite="small",
        host="head",
        pid=7,
        began_at=NOW - 4000,
        said_at=NOW - ago_s,
        ended=ended,
        workers=4,
        workers_alive=3,
        workers_busy=2,
        busy_share=0.5,
        cells_per_hour=12.0,
        seconds_left=600.0,
        rows=(RowProgress(row="original", cells=10, done=8, failed=0, seconds_left=600.0),),
        failures={"oom: told to": 3},
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, ""),
        (said(5.0), "run:   since 1:06:40 (head, pid 7, said 0:05 ago)"),
        (said(SILENT_AFTER_S + 1), "run:   no word from its driver (head, pid 7) for 1:31; run or submit"),
        (said(7200.0, ended=True), "run:   ended 2:00:00 ago (head, pid 7)"),
    ],
)
def test_what_the_driver_said_last_and_whether_it_still_does(
    store: Store, word: RunProgress | None, expected: str
) -> None:
    if word is not None:
        write_progress(store, word)
    ran = CliRunner().invoke(app, ["status", "small", "--store", store.root])
    assert ran.exit_code == 0
    assert expected in ran.stdout
    if word is not None:
        assert "8 of 10 cells done" in ran.stdout
        assert "3 x oom: told to" in ran.stdout


def test_as_json(store: Store) -> None:
    write_progress(store, said(5.0))
    ran = json.loads(CliRunner().invoke(app, ["status", "small", "--store", store.root, "--json"]).stdout)
    assert ran["rows"] == []
    assert ran["run"]["workers_busy"] == 2
