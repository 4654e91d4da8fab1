"""Staging: exactly VBench's names, exactly the recorded files, nothing else in the folder."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from harness.errors import VBenchError
from harness.vbench import staging
from harness.vbench.staging import commands, expected_videos, row_of, scored_names, stage
from tests.harness.vbench.staged import ROW, finished, manifest

COLOR = [f"a red car-{sample}.mp4" for sample in range(5)]


def test_every_video_of_a_dimension_lies_under_the_name_vbench_looks_for(tmp_path: Path) -> None:
    store, planned = finished(tmp_path / "store")
    row = row_of(planned, ROW)
    assert [video.name for video in stage(store, planned, row, ["color"], tmp_path / "out", copy=False)] == COLOR
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == COLOR
    assert all(path.is_symlink() for path in (tmp_path / "out").iterdir())
    assert (tmp_path / "out" / COLOR[3]).read_bytes() == b"0-3"


def test_repeating_it_changes_nothing_and_copies_take_the_place_of_links(tmp_path: Path) -> None:
    store, planned = finished(tmp_path / "store")
    row, out = row_of(planned, ROW), tmp_path / "out"
    stage(store, planned, row, ["color"], out, copy=False)
    stage(store, planned, row, ["color"], out, copy=False)
    stage(store, planned, row, ["color"], out, copy=True)
    assert not any(path.is_symlink() for path in out.iterdir())
    before = [path.stat().st_mtime_ns for path in sorted(out.iterdir())]
    stage(store, planned, row, ["color"], out, copy=True)
    assert [path.stat().st_mtime_ns for path in sorted(out.iterdir())] == before


def test_all_samples_are_staged_and_vbench_scores_five(tmp_path: Path) -> None:
    planned = manifest()
    assert len(expected_videos(planned, planned.rows[0], ["temporal_flickering"])) == 7
    assert len(expected_videos(planned, planned.rows[0], ["temporal_flickering", "color"])) == 12
    assert scored_names(planned)["color"] == tuple(COLOR)
    assert len(scored_names(planned)["temporal_flickering"]) == 5
    assert scored_names(planned)["scene"] == ()


def test_a_missing_video_is_refused_and_counted(tmp_path: Path) -> None:
    store, planned = finished(tmp_path / "store", count=3)
    with pytest.raises(VBenchError, match=r"2 of 5 videos are not made yet, e.g. 'a red car-3.mp4'"):
        stage(store, planned, row_of(planned, ROW), ["color"], tmp_path / "out", copy=False)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_the_recorded_one_is_refused(tmp_path: Path) -> None:
    store, planned = finished(tmp_path / "store")
    store.replace("videos/fora-00000000/a red car-2.mp4", b"cut off")
    with pytest.raises(VBenchError, match="is not the file that was recorded"):
        stage(store, planned, row_of(planned, ROW), ["color"], tmp_path / "out", copy=False)


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    store, planned = finished(tmp_path / "store")
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(VBenchError, match=r"holds 2 other files, e.g. '.DS_Store'"):
        stage(store, planned, row_of(planned, ROW), ["color"], tmp_path, copy=False)


def test_a_disk_that_takes_two_names_for_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, planned = finished(tmp_path / "store")
    monkeypatch.setattr(staging, "differing_in_case", lambda names: [("A-0.mp4", "a-0.mp4")])
    monkeypatch.setattr(staging, "tells_case_apart", lambda folder: False)
    with pytest.raises(VBenchError, match=r"takes 'A-0\.mp4' and 'a-0\.mp4' for one"):
        stage(store, planned, row_of(planned, ROW), ["color"], tmp_path / "out", copy=False)


@pytest.mark.parametrize(
    ("planned", "name", "said"),
    [
        (manifest(), "foar", "no row 'foar'; did you mean 'fora'?"),
        (manifest(skip_reason="no weights"), ROW, "has no videos: no weights"),
        (manifest().model_copy(update={"prompt_dimensions": ()}), ROW, "other prompts than VBench's"),
    ],
)
def test_rows_that_cannot_be_staged(planned, name: str, said: str) -> None:
    with pytest.raises(VBenchError) as caught:
        row_of(planned, name)
    assert said in str(caught.value)


def test_the_commands_are_vbenchs_own() -> None:
    (line,) = commands(Path("my videos"), Path("results"), ["color"])
    assert shlex.split(line)[:4] == ["vbench", "evaluate", "--dimension", "color"]
    assert "my videos" in shlex.split(line)
