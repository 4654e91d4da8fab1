"""Scorers as actors of a real local Ray, in the fake environment of `tests.harness.vbench.fake_scorer`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StoreError, VBenchError
from harness.ray_cluster import joined_ray
from harness.ray_scorers import RayScorers
from harness.run_progress import RunProgress, write_progress
from harness.store import Store
from harness.vbench.scorer_process import ScorerLostError
from harness.vbench.scoring import score_suite
from harness.vbench_cli import score_until_ended
from tests.harness.vbench.fake_scorer import install
from tests.harness.vbench.staged import finished

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayScorers]:
    """A cluster of one machine, where scorers die over videos whose names begin with x."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("HARNESS_VBENCH_PYTHON", str(install(tmp_path_factory.mktemp("scorer"), "dies on x")))
        with joined_ray(None, cpus=2) as ray:
            yield RayScorers(ray, checks=False)


def test_a_machine_without_gpus_has_room_for_one(fleet: RayScorers) -> None:
    assert fleet.devices == ["scorer 1"]


def test_a_suite_is_scored_on_the_cluster(fleet: RayScorers, tmp_path: Path) -> None:
    store, planned = finished(tmp_path / "store")
    asked = planned.model_copy(update={"vbench_dimensions": ("object_class", "color"), "prompt_dimensions": ()})
    seen: list[tuple[int, int]] = []

    def told(done: int, total: int) -> None:
        seen.append((done, total))

    ways: dict[str, Any] = {"devices": fleet.devices, "open_scorer": fleet.open, "on_score": told}
    scoring = score_suite(store, asked, unavailable={}, **ways)
    assert scoring.complete
    assert scoring.scored == seen[-1][0] == seen[-1][1] > 0
    records = store.dimension_scores(asked.rows[0].cell_ids)
    found = [record for scores in records.values() for record in scores.values()]
    assert {(record.dimension, record.status) for record in found} == {("object_class", "ok"), ("color", "undetected")}
    again = score_suite(store, asked, unavailable={}, **ways)
    assert (again.scored, again.already_scored) == (0, scoring.scored)


def test_a_machine_says_what_it_lacks(fleet: RayScorers, tmp_path: Path) -> None:
    scorer = RayScorers(fleet._ray).open(Store(str(tmp_path)), ["color", "temporal_flickering"], "scorer 1")
    assert "vbench 0.1.5 is missing" in scorer.unavailable["color"]
    assert "temporal_flickering" not in scorer.unavailable
    scorer.close()


def test_a_scorer_that_dies_is_lost_and_says_its_last_words(fleet: RayScorers, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for name in ("x.mp4", "y.mp4"):
        (tmp_path / name).write_bytes(b"video")
    scorer = fleet.open(store, ["object_class"], "scorer 1")
    assert scorer.score("y.mp4", "a car", {"object_class": None}).found["object_class"].value == 0.5
    with pytest.raises(StoreError, match=r"z.mp4. is not in store"):
        scorer.score("z.mp4", "a car", {"object_class": None})
    with pytest.raises(ScorerLostError, match="exit code 11: Segmentation fault"):
        scorer.score("x.mp4", "a car", {"object_class": None})
    scorer.close()
    scorer.close()


def test_scoring_follows_a_run_until_it_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.vbench_cli.BETWEEN_PASSES_S", 0.0)
    store, passes = Store(str(tmp_path)), []
    with pytest.raises(VBenchError, match="no run of small is known"):
        score_until_ended(store, "small", lambda: True)

    def said(ended: bool) -> RunProgress:
        return RunProgress(
            suite="small", host="here", pid=1, began_at=0.0, said_at=time.time(), ended=ended, workers=1,
            workers_alive=1, workers_busy=1, busy_share=1.0, cells_per_hour=None, seconds_left=None, rows=(),
            failures={},
        )  # fmt: skip

    def score() -> bool:
        passes.append(len(passes))
        if len(passes) == 2:
            write_progress(store, said(ended=True))
        return len(passes) == 3

    write_progress(store, said(ended=False))
    assert score_until_ended(store, "small", score)
    assert len(passes) == 3, "once more after the end, for what was made last"
