"""A suite sent to a separately started cluster: terminal closed, driver killed, submitted again on fewer workers.

Takes some minutes, so it runs where HARNESS_CLUSTER_TEST is set:

    HARNESS_CLUSTER_TEST=1 pytest tests/test_cluster_end_to_end.py -s
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.separate_cluster import SeparateCluster, separate_cluster, with_token

pytestmark = pytest.mark.skipif(
    "HARNESS_CLUSTER_TEST" not in os.environ, reason="takes minutes; set HARNESS_CLUSTER_TEST=1"
)

MODEL = Path(__file__).parents[1] / "harness" / "shapes" / "model"
SUITE: dict[str, Any] = {
    "suite": "cluster",
    "models": {
        "shapes": {
            "family": "wan",
            "model": str(MODEL),
            "dtype": "float32",
            "sampling": {
                "num_inference_steps": 8,
                "guidance_scale": 4.0,
                "height": 32,
                "width": 32,
                "num_frames": 9,
                "max_sequence_length": 24,
            },
        }
    },
    "prompts": [f"a red circle moves {way}" for way in ("left", "right", "up", "down")],
    "samples": 4,
    "seeds": "index",
    "methods": [
        {"method": "original"},
        {"method": "fewer_steps", "num_inference_steps": 4},
        {"method": "fora", "cache_interval": 2},
    ],
    "metrics": ["psnr", "ssim"],
}
CELLS = 3 * 4 * 4
PATIENCE_S = 1200.0
SAME_ON_EVERY_MACHINE = ("psnr", "ssim", "flops", "nfe")


@pytest.fixture
def cluster() -> Iterator[SeparateCluster]:
    with separate_cluster(with_token()) as cluster:
        cluster.start(f"--address={cluster.address}", "--num-cpus=1", f"--object-store-memory={80 * 2**20}")
        yield cluster


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"no {what} within {PATIENCE_S:g} s"
        time.sleep(0.05)


def cells_on_disk(store: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in store.glob("cells/*/*.json")}


def frames(store: Path) -> dict[str, str]:
    return {cell_id: json.loads(record)["frames_sha256"] for cell_id, record in cells_on_disk(store).items()}


def note(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def test_terminal_closed_driver_killed_and_resumed_on_fewer_workers(cluster: SeparateCluster, tmp_path: Path) -> None:
    folder, undisturbed, store = tmp_path / "suites", tmp_path / "undisturbed", tmp_path / "store"
    folder.mkdir()
    (folder / "cluster.yaml").write_text(yaml.safe_dump(SUITE), encoding="utf-8")

    def harness(*arguments: str, environment: dict[str, str] = cluster.environment) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    def job_states() -> list[str]:
        said = harness("status", "--address", cluster.jobs_address, "--json")
        assert said.returncode == 0, said.stderr
        return [job["state"] for job in json.loads(said.stdout)["jobs"]]

    submit = ["submit", "cluster.yaml", "--store", str(store), "--address", cluster.jobs_address, "--no-track"]
    with (tmp_path / "terminal.log").open("wb") as log:
        terminal = subprocess.Popen(
            [sys.executable, "-m", "harness", *submit],
            cwd=folder,
            env=cluster.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until(lambda: len(cells_on_disk(store)) >= CELLS // 6 or terminal.poll() is not None, "first cells")
    assert terminal.poll() is None, (tmp_path / "terminal.log").read_text()
    # Harder than SIGHUP, which a closed terminal sends, and which is ignored where the tests run under nohup.
    os.killpg(terminal.pid, signal.SIGKILL)
    terminal.wait()
    then = len(cells_on_disk(store))
    note(f"terminal closed at {then} of {CELLS} cells")
    until(lambda: len(cells_on_disk(store)) > then, "cell after the terminal was closed")
    again = harness(*submit)
    assert "already runs cluster" in again.stderr

    said = json.loads((store / "progress" / "cluster.json").read_text())
    assert (said["ended"], said["workers"]) == (False, 2)
    os.kill(said["pid"], signal.SIGKILL)
    until(lambda: job_states() == ["FAILED"], "end of the killed job")
    before = cells_on_disk(store)
    note(f"driver killed at {len(before)} of {CELLS} cells")
    assert 0 < len(before) < CELLS
    cluster.end(cluster.nodes[1])

    resumed = harness(*submit)
    note(f"submitted again: {resumed.stdout.splitlines()[-2:]}")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"{CELLS - len(before)} cells made, {len(before)} were there, 0 failed" in resumed.stdout
    assert job_states() == ["FAILED", "SUCCEEDED"]
    after = cells_on_disk(store)
    assert len(after) == CELLS
    assert all(after[cell_id] == record for cell_id, record in before.items()), "a finished cell was made again"
    said = json.loads((store / "progress" / "cluster.json").read_text())
    assert (said["ended"], said["workers"]) == (True, 1)

    local = {name: value for name, value in cluster.environment.items() if not name.startswith("RAY_AUTH")}
    alone = harness(
        "run", "cluster.yaml", "--store", str(undisturbed), "--no-track", "--workers", "1", environment=local
    )
    assert alone.returncode == 0, alone.stderr
    assert frames(store) == frames(undisturbed)
    reports = [
        json.loads(harness("report", "cluster", "--store", str(root), "--json", "--no-page").stdout)["rows"]
        for root in (store, undisturbed)
    ]
    told = [[{name: row[name] for name in ("row", *SAME_ON_EVERY_MACHINE)} for row in rows] for rows in reports]
    assert told[0] == told[1]
    assert told[0][1]["psnr"] is not None
    note("the report is that of an undisturbed run")
