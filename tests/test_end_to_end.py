"""The main job on the embedded model, as a user starts it: run, kill, run again, report, track."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from reports.figures import discover

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SUITE: dict[str, Any] = {
    "suite": "small",
    "models": {
        "shapes": {
            "family": "wan",
            "model": str(ROOT / "harness" / "shapes" / "model"),
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
    "prompts": {"file": str(ROOT / "suites" / "prompts" / "shapes_heldout.txt"), "limit": 4},
    "samples": 2,
    "seeds": "vbench-wan",
    "methods": [
        {"method": "original"},
        {"method": "fewer_steps", "num_inference_steps": 4},
        {"method": "teacache", "rel_l1_thresh": 0.4},
        {"method": "fora", "cache_interval": 3},
        {"method": "pab", "block_skip_range": 4},
    ],
    "metrics": ["psnr", "ssim", "lpips", "shapes"],
}
CELLS = 5 * 4 * 2


def harness(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """One command in its own process, in an environment that tracks below the store."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, env=environment(), **options
    )


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}


def cells_on_disk(store: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in store.glob("cells/*/*.json")}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, bytes]]:
    """A suite whose driver was killed midway and run again; also what was finished when it was killed."""
    folder = tmp_path_factory.mktemp("end-to-end")
    suite, store = folder / "small.yaml", folder / "store"
    suite.write_text(yaml.safe_dump(SUITE), encoding="utf-8")
    first = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", str(suite), "--store", str(store), "--allow-missing"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 180
    while len(cells_on_disk(store)) < CELLS // 4:
        assert first.poll() is None, first.stderr.read().decode() if first.stderr else ""
        assert time.monotonic() < deadline, "nothing was made within 180 s"
        time.sleep(0.05)
    # The driver alone, as an out-of-memory killer would: its workers notice by themselves.
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    time.sleep(2)
    before = cells_on_disk(store)
    again = harness("run", str(suite), "--store", str(store), "--allow-missing")
    assert again.returncode == 0, again.stderr
    assert "compare:" in again.stdout
    return suite, store, before


def test_killed_and_run_again_no_cell_is_lost_or_doubled(ran: tuple[Path, Path, dict[str, bytes]]) -> None:
    _, store, before = ran
    after = cells_on_disk(store)

    assert 0 < len(before) < CELLS
    assert len(after) == CELLS
    for cell_id, record in before.items():
        assert after[cell_id] == record, "a finished cell was made again"
    videos = list(store.glob("videos/*/*.mp4"))
    assert len(videos) == CELLS
    assert {json.loads(record)["video"] for record in after.values()} == {
        str(path.relative_to(store)) for path in videos
    }


def test_running_again_makes_nothing(ran: tuple[Path, Path, dict[str, bytes]]) -> None:
    suite, store, _ = ran
    before = cells_on_disk(store)

    again = harness("run", str(suite), "--store", str(store), "--no-track", "--allow-missing")

    assert again.returncode == 0, again.stderr
    assert f"0 cells made, {CELLS} were there" in again.stderr
    assert cells_on_disk(store) == before


def test_every_method_starts_from_the_same_noise(ran: tuple[Path, Path, dict[str, bytes]]) -> None:
    _, store, _ = ran
    noise: dict[tuple[int, int], set[str]] = {}
    for text in cells_on_disk(store).values():
        record = json.loads(text)
        noise.setdefault((record["prompt_index"], record["sample_index"]), set()).add(record["noise_sha256"])

    assert len(noise) == 8
    assert all(len(hashes) == 1 for hashes in noise.values())
    assert len(set.union(*noise.values())) == 8


def test_the_report_says_what_was_measured(ran: tuple[Path, Path, dict[str, bytes]]) -> None:
    suite, store, _ = ran

    said = harness("report", str(suite), "--store", str(store), "--json")

    rows = {row["row"]: row for row in json.loads(said.stdout)["rows"]}
    original, fewer = rows["original"], rows["fewer_steps (num_inference_steps=4)"]
    assert said.returncode == 0
    assert len(rows) == 5
    assert original["nfe"] == pytest.approx(16)
    assert fewer["nfe"] == pytest.approx(8)
    assert fewer["flops"] == pytest.approx(original["flops"] / 2)
    assert original["psnr"] is None
    for name, row in rows.items():
        assert row["semantic_score"] is not None
        assert row["peak_memory_bytes"] is not None
        if name != "original":
            assert row["psnr"] > 5
            assert row["flops"] < original["flops"], f"{name} skipped nothing"
    folder = store / "reports" / "small"
    assert "shapes" in (folder / "report.md").read_text(encoding="utf-8")
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    # Nobody voted, all videos have one size, and no method has two settings.
    # On a busy machine no row may be faster by the clock, and then there is nothing to choose within a latency.
    assert drawn | {"iso_latency"} == discover().keys() - {"user_study", "scaling", "hyper_parameters"}


def test_status_counts_every_cell(ran: tuple[Path, Path, dict[str, bytes]]) -> None:
    suite, store, _ = ran

    said = harness("status", str(suite), "--store", str(store), "--json")

    assert json.loads(said.stdout)["rows"][0] == {
        "row": "original",
        "expected": 8,
        "generated": 8,
        "scored": 8,
        "failed": 0,
    }


def test_mlflow_has_one_run_per_row(ran: tuple[Path, Path, dict[str, bytes]]) -> None:
    from mlflow import MlflowClient

    _, store, _ = ran
    client = MlflowClient(f"sqlite:///{store / 'mlflow' / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'small'")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}

    assert len(runs) == 5
    assert runs["original"].data.metrics["cost/speedup"] == pytest.approx(1)
    assert runs["teacache (rel_l1_thresh=0.4)"].data.params["config.rel_l1_thresh"] == "0.4"
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_a_failing_cell_is_recorded_and_the_rest_goes_on(tmp_path: Path) -> None:
    # 30 x 30 pixels do not divide into the autoencoder's patches: the pipeline refuses.
    suite = tmp_path / "broken.yaml"
    data = json.loads(json.dumps(SUITE))
    data["suite"] = "broken"
    data["prompts"], data["samples"] = ["a prompt of another world"], 1
    data["methods"] = [{"method": "original"}, {"method": "fora", "cache_interval": 2}]
    data["models"]["shapes"]["sampling"]["width"] = 30
    data["metrics"] = ["psnr"]
    data["fleet"] = {"max_attempts": 1}
    suite.write_text(yaml.safe_dump(data), encoding="utf-8")

    said = harness("run", str(suite), "--store", str(tmp_path / "store"), "--workers", "1")

    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert sum(line.startswith("failed: ") for line in said.stderr.splitlines()) == 2
    status = harness("status", str(suite), "--store", str(tmp_path / "store"), "--json")
    assert [row["failed"] for row in json.loads(status.stdout)["rows"]] == [1, 1]
