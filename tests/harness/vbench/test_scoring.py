"""A suite's videos, scored with VBench: each once, whatever breaks off, and everything else accounted for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.records import SuiteManifest
from harness.store import Store
from harness.vbench.found import Answer, Found
from harness.vbench.prompts import SAMPLES
from harness.vbench.scorer_process import ScorerLostError
from harness.vbench.scoring import (
    GROUPS,
    LOSSES,
    OnThisMachine,
    Scoring,
    StoredScorer,
    asked_videos,
    jobs,
    score_suite,
)
from tests.harness.vbench.staged import SAMPLES as MADE
from tests.harness.vbench.staged import finished

ASKED = ("color", "object_class", "temporal_flickering")


class Fake:
    """Scores 0.5, `after` which videos it is lost; remembers what it was asked."""

    versions: Mapping[str, str] = {"fake": "1"}

    def __init__(self, asked: list[tuple[str, ...]], after: int, unavailable: Mapping[str, str]) -> None:
        self.unavailable = unavailable
        self.wanted: list[Mapping[str, Any]] = []
        self._asked = asked
        self._left = after

    def score(self, video: Path, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        if not self._left:
            raise ScorerLostError("the scorer died")
        self._left -= 1
        self._asked.append((video.name, *wanted))
        self.wanted.append(wanted)
        import hashlib

        return Answer(hashlib.sha256(video.read_bytes()).hexdigest(), dict.fromkeys(wanted, Found("ok", value=0.5)))

    def close(self) -> None:
        pass


@pytest.fixture
def made(tmp_path: Path, wheel: Path) -> tuple[Store, SuiteManifest]:
    store, planned = finished(tmp_path / "store")
    planned = planned.model_copy(update={"vbench_dimensions": ASKED, "prompt_samples": (), "samples": SAMPLES})
    (row,) = planned.rows
    # Five samples of each prompt: the second's others are left out.
    kept = row.cell_ids[: MADE[0] + SAMPLES]
    return store, planned.model_copy(update={"rows": (row.model_copy(update={"cell_ids": kept}),)})


@pytest.fixture
def score(made: tuple[Store, SuiteManifest]) -> Callable[..., tuple[Scoring, list[tuple[str, ...]]]]:
    def run(
        after: int = 99,
        missing: Mapping[str, str] | None = None,
        lacks: Mapping[str, str] | None = None,
        devices: Sequence[str] = ("cpu",),
        manifest: SuiteManifest | None = None,
    ) -> tuple[Scoring, list[tuple[str, ...]]]:
        asked: list[tuple[str, ...]] = []

        def opened(store: Store, dimensions: Sequence[str], device: str) -> StoredScorer:
            return OnThisMachine(store, Fake(asked, after, lacks or {}))

        found = score_suite(
            made[0], manifest or made[1], unavailable=missing or {}, devices=devices, open_scorer=opened
        )
        return found, asked

    return run


def test_every_video_is_scored_once_in_every_dimension_it_is_for(made, score) -> None:
    scoring, asked = score()
    assert (scoring.scored, scoring.already_scored, scoring.complete) == (15, 0, True)
    assert sorted(asked)[0] == ("a red car-0.mp4", "object_class", "color"), "one look at a video for all of a group"
    store, manifest = made
    records = store.dimension_scores(manifest.rows[0].cell_ids)
    assert sum(len(found) for found in records.values()) == 15
    record = records[manifest.rows[0].cell_ids[0]]["color"]
    assert (record.value, record.scorer) == (0.5, {"fake": "1"})
    assert record.video_sha256 == store.cells([record.cell_id])[record.cell_id].video_sha256

    scoring, asked = score()
    assert (scoring.scored, scoring.already_scored, asked) == (0, 15, [])


def test_what_vbench_says_of_a_prompt_is_passed_on(made) -> None:
    store, manifest = made
    asked, _ = asked_videos(store, manifest, ASKED)
    assert asked[0].wanted == {"color": {"color": "red"}, "object_class": None}


def test_a_video_that_was_made_again_is_scored_again(made, score) -> None:
    score()
    store, manifest = made
    (cell_id, *_) = manifest.rows[0].cell_ids
    record = store.dimension_scores([cell_id])[cell_id]["color"]
    store.write_dimension_score(record.model_copy(update={"video_sha256": "0" * 64}))
    scoring, asked = score()
    assert (scoring.scored, asked) == (1, [("a red car-0.mp4", "color")])


def test_what_is_missing_is_written_down_and_the_rest_is_scored(made, score) -> None:
    scoring, _ = score(missing={"color": "GRiT is missing", "scene": "not asked for"})
    assert (scoring.scored, scoring.complete) == (10, False)
    found = made[0].scoring("small")
    assert found is not None
    assert found.unavailable == {"color": "GRiT is missing"}
    score()
    assert made[0].scoring("small").unavailable == {}


def test_a_model_that_does_not_load_leaves_the_others_of_its_process(score) -> None:
    scoring, asked = score(lacks={"color": "no detectron2"})
    assert scoring.unavailable == {"color": "no detectron2"}
    assert ("a red car-0.mp4", "object_class") in asked


def test_a_lost_scorer_is_replaced_and_its_video_fails_with_the_reason(made, score) -> None:
    scoring, _ = score(after=3)
    assert scoring.failed
    store, manifest = made
    failed = [
        record.reason
        for found in store.dimension_scores(manifest.rows[0].cell_ids).values()
        for record in found.values()
        if record.status == "failed"
    ]
    assert set(failed) == {"the scorer died"}
    scoring, _ = score()
    assert scoring.complete, "what failed is tried again"


def test_scorers_that_die_at_once_end_a_job(score) -> None:
    scoring, asked = score(after=0)
    assert asked == []
    assert (scoring.scored, scoring.failed) == (0, 15)
    assert LOSSES < 5


def test_a_file_that_is_not_the_recorded_one_is_not_scored(made, score) -> None:
    store, manifest = made
    (cell_id, *_) = manifest.rows[0].cell_ids
    store.replace(store.cells([cell_id])[cell_id].video, b"another video")
    scoring, _ = score()
    assert (scoring.scored, scoring.failed) == (13, 2)
    assert "not the file that was recorded" in store.dimension_scores([cell_id])[cell_id]["color"].reason


def test_flickering_of_more_samples_needs_vbenchs_filter(made, score) -> None:
    _, manifest = made
    more = manifest.model_copy(update={"prompt_samples": (5, 7), "samples": 7})
    scoring, asked = score(manifest=more)
    assert "stillest" in scoring.unavailable["temporal_flickering"]
    assert not any("temporal_flickering" in one for one in asked)


def test_devices_share_the_videos_of_each_group(made) -> None:
    store, manifest = made
    asked, _ = asked_videos(store, manifest, ASKED)
    divided = jobs(asked, shares=2)
    assert [(job.dimensions, len(job.videos)) for job in divided] == [
        (("temporal_flickering",), 3),
        (("temporal_flickering",), 2),
        (("object_class", "color"), 3),
        (("object_class", "color"), 2),
    ]


def test_several_devices_score_everything(score) -> None:
    scoring, _ = score(devices=("cuda:0", "cuda:1", "cuda:2"))
    assert (scoring.scored, scoring.complete) == (15, True)


def test_every_dimension_is_in_one_group() -> None:
    from harness.dimensions import QUALITY, SEMANTIC

    assert sorted(name for group in GROUPS for name in group) == sorted(QUALITY + SEMANTIC)
