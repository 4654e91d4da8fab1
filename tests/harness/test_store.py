"""The store's promises: whole files, one winner, damaged is absent; on a local disk and on a remote file system."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_worker import make_record, make_score, make_task

import harness.files as files
import harness.local_disk as local_disk
from harness.errors import StoreError
from harness.records import CellRecord, Status, SuiteManifest
from harness.sidecar import dump, load
from harness.store import Store


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """The same tests stand for a folder and for what an object store is to fsspec."""
    return Store(str(tmp_path) if request.param == "local" else f"memory://{uuid.uuid4().hex}")


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def plan(suite: str) -> SuiteManifest:
    return SuiteManifest(suite=suite, suite_hash="h", suite_yaml="", prompts=("a",), samples=1, metrics=(), rows=())


def test_cells_round_trip_and_are_listed(store: Store) -> None:
    tasks = [make_task("ok", prompt_index=index) for index in range(5)]
    assert store.cell_ids() == set()
    assert store.cells([tasks[0].cell_id]) == {}
    for task in tasks:
        assert store.write_cell(make_record(task))
    assert store.cell_ids() == {task.cell_id for task in tasks}
    assert store.has_cell(tasks[0].cell_id)
    assert store.cells([tasks[1].cell_id, "ab" * 16]) == {tasks[1].cell_id: make_record(tasks[1])}


def test_the_first_committed_record_stays(store: Store) -> None:
    task = make_task("ok")
    assert store.write_cell(make_record(task, attempt=1))
    assert not store.write_cell(make_record(task, attempt=2))
    assert store.cells([task.cell_id])[task.cell_id].attempt == 1


def test_of_many_concurrent_writers_one_wins(local: Store) -> None:
    task = make_task("ok")
    with ThreadPoolExecutor(16) as writers:
        won = list(writers.map(lambda attempt: local.write_cell(make_record(task, attempt=attempt)), range(1, 65)))
    assert won.count(True) == 1
    assert local.cells([task.cell_id])[task.cell_id].attempt == won.index(True) + 1
    assert os.listdir(Path(local.root, "tmp")) == []


def test_without_hard_links_the_first_still_stays(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(local_disk.errno.EPERM, "no hard links here")

    monkeypatch.setattr(local_disk.os, "link", refuse)
    task = make_task("ok")
    assert local.write_cell(make_record(task, attempt=1))
    assert not local.write_cell(make_record(task, attempt=2))
    assert local.cells([task.cell_id])[task.cell_id].attempt == 1


def test_failures_are_replaced_and_vanish_with_success(store: Store) -> None:
    task = make_task("ok")
    store.write_failure(make_record(task, Status.FAILED, attempt=1, reason="a"))
    store.write_failure(make_record(task, Status.OOM, attempt=2, reason="b"))
    assert store.failures([task.cell_id])[task.cell_id].reason == "b"
    assert set(store.failure_stamps()) == {task.cell_id}
    store.write_cell(make_record(task, attempt=3))
    assert store.failures([task.cell_id]) == {}
    store.write_failure(make_record(task, Status.TIMEOUT, attempt=2, reason="late"))
    assert store.failures([task.cell_id]) == {}


def test_each_status_has_its_place(store: Store) -> None:
    task = make_task("ok")
    with pytest.raises(StoreError, match="write_failure"):
        store.write_cell(make_record(task, Status.FAILED))
    with pytest.raises(StoreError, match="write_cell"):
        store.write_failure(make_record(task))


def test_scores_by_cell_and_metric(store: Store) -> None:
    one, two = make_task("ok"), make_task("ok", prompt_index=1)
    store.write_score(make_score(one, "psnr", 30.0))
    store.write_score(make_score(one, "psnr", 31.0))
    store.write_score(make_score(one, "vbench.color", 0.5))
    store.write_score(make_score(two, "psnr", math.inf))
    scores = store.scores([one.cell_id, two.cell_id, "ab" * 16])
    assert {metric: record.values[metric] for metric, record in scores[one.cell_id].items()} == {
        "psnr": 31.0,
        "vbench.color": 0.5,
    }
    # Equal videos have infinite PSNR; null would read as "does not apply".
    assert scores[two.cell_id]["psnr"].values["psnr"] == math.inf
    assert set(store.score_stamps()) == {
        (one.cell_id, "psnr"),
        (one.cell_id, "vbench.color"),
        (two.cell_id, "psnr"),
    }
    assert store.score_records([(two.cell_id, "psnr"), (two.cell_id, "ssim")]).keys() == {(two.cell_id, "psnr")}


def test_stamps_change_with_content(local: Store) -> None:
    task = make_task("ok")
    stamps = set()
    for value in (30.0, 31.0, 32.0):
        local.write_score(make_score(task, "psnr", value))
        stamps.add(local.score_stamps()[task.cell_id, "psnr"])
    assert len(stamps) == 3


def test_manifests_and_the_remedy_where_there_is_none(store: Store) -> None:
    with pytest.raises(StoreError, match="`harness run` its YAML file first"):
        store.manifest("quickstart")
    store.write_manifest(plan("quickstart"))
    assert store.manifest("quickstart") == plan("quickstart")
    with pytest.raises(StoreError, match="did you mean 'quickstart'"):
        store.manifest("quickstrat")


@pytest.mark.parametrize(
    "damage", [b"", b'{"schema_version": 2, "cell', b"\x00" * 64, b"[]", b"{}", b'{"schema_version": 1}']
)
def test_a_damaged_sidecar_is_moved_aside_with_a_warning(
    store: Store, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    task = make_task("ok")
    path = f"cells/{task.cell_id[:2]}/{task.cell_id}.json"
    store.replace(path, damage)
    with caplog.at_level(logging.WARNING):
        assert store.cells([task.cell_id]) == {}
    assert path in caplog.text
    assert not store.exists(path)
    assert len(store.names("corrupt")) == 1
    assert store.write_cell(make_record(task))


def test_a_damaged_sidecar_does_not_win_against_a_new_one(store: Store) -> None:
    task = make_task("ok")
    store.replace(f"cells/{task.cell_id[:2]}/{task.cell_id}.json", b"{")
    assert store.write_cell(make_record(task))
    assert store.cells([task.cell_id])[task.cell_id] == make_record(task)


def test_a_sidecar_about_another_cell_is_damaged(store: Store) -> None:
    one, two = make_task("ok"), make_task("ok", prompt_index=1)
    store.replace(f"cells/{one.cell_id[:2]}/{one.cell_id}.json", dump(make_record(two)))
    assert store.cells([one.cell_id]) == {}


def test_a_sidecar_of_another_schema_is_left_alone(store: Store) -> None:
    task = make_task("ok")
    path = f"cells/{task.cell_id[:2]}/{task.cell_id}.json"
    store.replace(path, b'{"schema_version": 99, "cell_id": "new"}')
    with pytest.raises(StoreError, match="schema version 99"):
        store.cells([task.cell_id])
    assert store.exists(path)


def test_files_appear_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    with store.open("videos/row/a b-0.txt", "w") as sink:
        sink.write("grün")
        assert not store.exists("videos/row/a b-0.txt")
    with store.open("videos/row/a b-0.txt", "r") as source:
        assert source.read() == "grün"

    def write_half() -> None:
        with store.open("videos/half", "wb") as sink:
            sink.write(b"half")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        write_half()
    assert not store.exists("videos/half")


def test_local_files_go_in_and_come_out(store: Store, tmp_path: Path) -> None:
    original = tmp_path / "original.mkv"
    for content in (b"first", b"second"):
        original.write_bytes(content)
        store.put_file(original, "lossless/ab/x.mkv")
        with store.local_path("lossless/ab/x.mkv") as path:
            assert path.suffix == ".mkv"
            assert path.read_bytes() == content
    store.remove("lossless/ab/x.mkv")
    store.remove("lossless/ab/x.mkv")
    assert not store.exists("lossless/ab/x.mkv")
    with pytest.raises(StoreError, match="run its cell again"), store.local_path("lossless/ab/x.mkv"):
        pass


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "videos/../../outside"])
def test_paths_stay_below_the_root(store: Store, path: str) -> None:
    with pytest.raises(StoreError, match="leaves the store"):
        store.exists(path)


def test_errors_are_ours(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"), store.open("absent", "rb"):
        pass
    with pytest.raises(StoreError, match="use r, rb, w or wb"), store.open("x", "a"):
        pass
    with pytest.raises(StoreError, match="cannot be opened"):
        Store("no-such-protocol://x")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(str(tmp_path / "file")).write_manifest(plan("x"))


def test_a_store_travels_and_a_relative_root_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("results")
    store.write_manifest(plan("x"))
    copy = pickle.loads(pickle.dumps(store))
    monkeypatch.chdir("/")
    assert copy.manifest("x") == plan("x")
    assert repr(copy) == f"Store({str(tmp_path / 'results')!r})"


def test_what_died_writers_left_is_swept_after_a_day(local: Store) -> None:
    local.write_cell(make_record(make_task("ok")))
    leftover = Path(local.root, "tmp", "1-ab")
    leftover.write_text("half")
    local.sweep_temporary()
    assert leftover.exists()
    local.sweep_temporary(now=leftover.stat().st_mtime + files.STALE_TEMPORARY_S + 1)
    assert not leftover.exists()


def test_records_are_text_people_can_read(local: Store) -> None:
    task = make_task("ein Bär")
    local.write_cell(make_record(task))
    text = Path(local.root, f"cells/{task.cell_id[:2]}/{task.cell_id}.json").read_text(encoding="utf-8")
    assert "ein Bär" in text
    assert json.loads(text)["reason"] is None
    assert load(text.encode(), CellRecord) == make_record(task)
