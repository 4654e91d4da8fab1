"""The leaderboard's zip: not written unless all of it is there, and read back as the leaderboard does."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import pytest

from harness.errors import VBenchError
from harness.vbench.scores import vbench_scores
from harness.vbench.submission import (
    DIMENSIONS,
    DimensionResult,
    check_results,
    read_results,
    read_submission,
    write_submission,
)

EXPECTED = {name: ("a cat-0.mp4", "a cat-1.mp4") for name in DIMENSIONS}


def result(value: float = 0.5, *names: str) -> DimensionResult:
    videos = tuple(
        {"video_path": f"/data/somebody/{name}", "video_results": value} for name in names or EXPECTED["color"]
    )
    return DimensionResult(value, videos)


def whole() -> dict[str, DimensionResult]:
    return {name: result(0.5 + number / 100) for number, name in enumerate(DIMENSIONS)}


def complaint(results: dict[str, DimensionResult]) -> str:
    with pytest.raises(VBenchError) as caught:
        check_results(results, EXPECTED)
    return str(caught.value)


def test_what_is_written_is_what_the_leaderboard_reads(tmp_path: Path) -> None:
    results = whole()
    check_results(results, EXPECTED)
    scores = write_submission(results, tmp_path / "out" / "eval_results.zip")
    values = read_submission(tmp_path / "out" / "eval_results.zip")
    assert values == {name: result.value for name, result in results.items()}
    assert scores == vbench_scores(values)
    assert isinstance(scores.total, float)


def test_the_same_results_give_the_same_bytes_and_name_no_machine(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_submission(whole(), tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as source:
        (member,) = source.namelist()
        content = json.loads(source.read(member))
    assert content["scene"][1][0]["video_path"] == "a cat-0.mp4"


class TestResultsAreRefused:
    def test_that_lack_a_dimension(self) -> None:
        results = whole()
        del results["scene"]
        assert complaint(results).startswith("scene is missing")

    def test_that_are_no_numbers(self) -> None:
        assert "scene is nan" in complaint(whole() | {"scene": result(math.nan)})

    def test_that_lack_a_video_or_have_another(self) -> None:
        said = complaint(whole() | {"scene": result(0.5, "a cat-0.mp4", "a dog-0.mp4")}).splitlines()
        assert said == [
            "scene has results of 1 other videos, e.g. 'a dog-0.mp4'; stage them anew",
            "scene has no result of 1 of 2 videos, e.g. 'a cat-1.mp4'",
        ]

    def test_that_have_a_video_twice(self) -> None:
        twice = result(0.5, *EXPECTED["scene"], "a cat-0.mp4")
        assert "two results of one video" in complaint(whole() | {"scene": twice})

    def test_of_what_is_no_dimension(self) -> None:
        assert "physics is no dimension" in complaint(whole() | {"physics": result()})

    def test_but_color_may_lack_videos_without_an_object(self) -> None:
        check_results(whole() | {"color": result(0.5, "a cat-1.mp4")}, EXPECTED)


class TestVBenchsFiles:
    def write(self, folder: Path, name: str, content: object) -> None:
        (folder / f"{name}_eval_results.json").write_text(json.dumps(content))

    def test_are_read_together(self, tmp_path: Path) -> None:
        self.write(tmp_path, "a", {"scene": [0.5, [{"video_path": "/x/a cat-0.mp4", "video_results": 0.5}]]})
        self.write(tmp_path, "b", {"color": [1, []]})
        (tmp_path / "a_full_info.json").write_text("[]")
        found = read_results(tmp_path)
        assert {name: result.value for name, result in found.items()} == {"scene": 0.5, "color": 1.0}
        assert found["scene"].names == {"a cat-0.mp4"}

    @pytest.mark.parametrize("content", [[], {"scene": 0.5}, {"scene": [0.5, [{}]]}, {"scene": ["x", []]}])
    def test_are_refused_where_they_are_none(self, tmp_path: Path, content: object) -> None:
        self.write(tmp_path, "a", content)
        with pytest.raises(VBenchError, match="no file of VBench's results"):
            read_results(tmp_path)

    def test_of_one_dimension_twice_are_refused(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            self.write(tmp_path, name, {"scene": [0.5, []]})
        with pytest.raises(VBenchError, match="scene is in another file"):
            read_results(tmp_path)

    def test_where_there_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(VBenchError, match="holds no"):
            read_results(tmp_path)


class TestZips:
    def zipped(self, path: Path, members: dict[str, object]) -> Path:
        with zipfile.ZipFile(path, "w") as target:
            for name, content in members.items():
                target.writestr(name, json.dumps(content))
        return path

    def test_one_folder_below_is_read_and_what_the_leaderboard_skips_is_not(self, tmp_path: Path) -> None:
        content = {name.replace("_", " "): [0.5] for name in DIMENSIONS}
        skipped = {"__MACOSX/a.json": {"scene": [1]}, "a/b/c.json": {"scene": [1]}, "list.json": [1], "a.txt": 1}
        path = self.zipped(tmp_path / "a.zip", {"results/a.json": content} | skipped)
        assert read_submission(path) == dict.fromkeys(DIMENSIONS, 0.5)

    def test_one_that_lacks_or_repeats_a_dimension_is_refused(self, tmp_path: Path) -> None:
        content = {name: [0.5] for name in DIMENSIONS if name != "scene"}
        with pytest.raises(VBenchError, match="lacks scene, which the leaderboard takes for 0"):
            read_submission(self.zipped(tmp_path / "a.zip", {"a.json": content}))
        with pytest.raises(VBenchError, match="color is there twice"):
            read_submission(self.zipped(tmp_path / "b.zip", {"a.json": content, "b.json": {"color": [0.5]}}))

    def test_what_is_no_zip_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_text("no zip")
        with pytest.raises(VBenchError, match="is no submission"):
            read_submission(tmp_path / "a.zip")
