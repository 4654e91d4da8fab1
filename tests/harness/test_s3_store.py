"""The store on S3, as far as a real server on this machine (moto's) and the real client behave like Amazon's."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_worker import FakeWorker, make_record, make_score, make_task

from harness.errors import StoreError
from harness.ledger import Ledger, ledger_path
from harness.records import Status
from harness.store import Store

pytest.importorskip("s3fs", reason="s3fs is not installed")
moto = pytest.importorskip("moto.server", reason="moto is not installed")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server for the file, and the environment in which fsspec finds it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        yield url
    server.stop()


@pytest.fixture
def store(endpoint: str, request: pytest.FixtureRequest) -> Store:
    return Store(f"s3://bucket/{request.node.name}")


def test_of_many_concurrent_writers_one_wins(store: Store) -> None:
    task = make_task("ok")
    with ThreadPoolExecutor(8) as writers:
        won = list(writers.map(lambda attempt: store.write_cell(make_record(task, attempt=attempt)), range(1, 17)))
    assert won.count(True) == 1
    assert store.cells([task.cell_id])[task.cell_id].attempt == won.index(True) + 1


def test_records_scores_failures_and_files_come_back(store: Store, tmp_path: Path) -> None:
    one, two = make_task("ok"), make_task("ok", prompt_index=1)
    assert store.cell_ids() == set()
    assert store.cells([one.cell_id]) == {}
    store.write_failure(make_record(one, Status.OOM, reason="a"))
    store.write_failure(make_record(two, Status.TIMEOUT, reason="b"))
    assert set(store.failure_stamps()) == {one.cell_id, two.cell_id}
    store.write_cell(make_record(one))
    assert store.failures([one.cell_id, two.cell_id]).keys() == {two.cell_id}
    stamp = store.score_stamps()
    store.write_score(make_score(one, value=30.0))
    first = store.score_stamps()
    store.write_score(make_score(one, value=31.0))
    assert stamp == {}
    assert first.keys() == store.score_stamps().keys() == {(one.cell_id, "psnr")}
    assert first != store.score_stamps()
    local = tmp_path / "a b.mp4"
    local.write_bytes(b"x" * 100_000)
    store.put_file(local, "videos/row/a prompt, 50% off-0.mp4")
    assert store.video_bytes() == {"videos/row/a prompt, 50% off-0.mp4": 100_000}
    with store.local_path("videos/row/a prompt, 50% off-0.mp4") as path:
        assert path.read_bytes() == local.read_bytes()
    store.remove("videos/row/a prompt, 50% off-0.mp4")
    store.remove("videos/row/a prompt, 50% off-0.mp4")
    assert store.video_bytes() == {}


def test_a_damaged_record_is_moved_aside_and_made_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    task = make_task("ok")
    path = f"cells/{task.cell_id[:2]}/{task.cell_id}.json"
    store.write_cell(make_record(task))
    store.replace(path, (store.read_bytes(path) or b"")[:-20])
    with caplog.at_level(logging.WARNING):
        assert store.cells([task.cell_id]) == {}
    assert len(store.names("corrupt")) == 1
    assert store.write_cell(make_record(task, attempt=2))


def test_a_ledger_of_it_lies_on_this_machine(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tasks = [make_task("ok", prompt_index=index) for index in range(5)]
    for task in tasks[:3]:
        store.write_cell(make_record(task))
        store.write_score(make_score(task))
    path = ledger_path(store)
    assert path.is_relative_to(tmp_path)
    assert path != ledger_path(Store("s3://bucket/another"))
    with Ledger(path) as ledger:
        ids = {task.cell_id for task in tasks}
        assert ledger.sync(store, ids) == {task.cell_id for task in tasks[:3]} == ledger.scored(["psnr"])


def test_a_worker_needs_nothing_else(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeWorker, "_log", lambda self, what, task: None)
    task = make_task("ok")
    assert FakeWorker(store.root).run(task, 1).status is Status.OK
    assert store.cell_ids() == {task.cell_id}


def test_what_is_wrong_is_said_in_one_line(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task("ok")
    with pytest.raises(StoreError, match="no-such-bucket"):
        Store("s3://no-such-bucket/x").write_cell(make_record(task))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    away = Store("s3://bucket/away")
    monkeypatch.setattr(away._fs, "retries", 1, raising=False)
    with pytest.raises(StoreError, match="cannot be") as told:
        away.write_cell(make_record(task))
    assert "\n" not in str(told.value)
    s3fs.S3FileSystem.clear_instance_cache()
    assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
