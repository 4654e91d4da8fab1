"""Which troubles of storage pass, which last, and what a full disk says."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_worker import make_record, make_task

import harness.local_disk as local_disk
import harness.storage_faults as faults
from harness.errors import StoreError, StoreFullError
from harness.storage_faults import ask
from harness.store import Store


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(faults, "time", clock)
    return clock


def failing(error: Exception, times: int) -> Callable[[], str]:
    left = [error] * times

    def action() -> str:
        if left:
            raise left.pop()
        return "done"

    return action


def said(trouble: str) -> str:
    return f"x cannot be written ({trouble})"


def test_a_server_that_restarts_is_waited_for(clock: Clock) -> None:
    assert ask(failing(OSError(errno.ESTALE, "stale file handle"), 5), said, 900) == "done"
    assert clock.pauses == [1, 2, 4, 8, 16]


def test_pauses_have_a_cap_and_patience_an_end(clock: Clock) -> None:
    with pytest.raises(StoreError, match=r"x cannot be written \(.*timed out\)"):
        ask(failing(TimeoutError("timed out"), 1000), said, 900)
    assert max(clock.pauses) == 60
    assert clock.now == 900


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "no"), OSError(errno.EROFS, "no"), ValueError("a wrong URL")]
)
def test_what_lasts_is_said_at_once(clock: Clock, error: Exception) -> None:
    with pytest.raises(StoreError):
        ask(failing(error, 1), said, 900)
    assert clock.pauses == []


def test_without_patience_nothing_is_waited_for(clock: Clock) -> None:
    with pytest.raises(StoreError, match="ConnectionError"):
        ask(failing(ConnectionError(), 1), said, 0)
    assert clock.pauses == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_own_error_and_is_not_waited_for(clock: Clock, number: int) -> None:
    with pytest.raises(StoreFullError, match=r"No space|quota") as told:
        ask(failing(OSError(number, os.strerror(number)), 1), said, 900)
    assert clock.pauses == []
    assert isinstance(pickle.loads(pickle.dumps(told.value)), StoreFullError)


def test_answers_are_no_troubles(clock: Clock) -> None:
    with pytest.raises(FileNotFoundError):
        ask(failing(FileNotFoundError("x"), 1), said, 900)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_without_room_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full answers every write as a full disk does."""
    store, task = Store(str(tmp_path)), make_task("ok")
    video = tmp_path / "video"
    video.write_bytes(b"x" * 5_000_000)
    real = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(
            Path,
            "open",
            lambda path, mode="r", *rest: real(Path("/dev/full") if mode == "wb" else path, mode, *rest),
        )
        for write in (
            lambda: store.write_cell(make_record(task)),
            lambda: store.put_file(video, "videos/a.mp4"),
            lambda: store.replace("suites/x.json", b"{}"),
        ):
            with pytest.raises(StoreFullError, match=r"No space left.*check permissions and free space"):
                write()
    assert store.cell_ids() == set()
    assert not store.exists("videos/a.mp4")
    assert store.names("tmp") == []
    assert store.write_cell(make_record(task))


class TestMountedDisk:
    def test_a_link_whose_answer_was_lost_counts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written, target = tmp_path / "written", tmp_path / "target"
        written.write_bytes(b"x")
        real = os.link

        def twice(source: Path, name: Path) -> None:
            real(source, name)
            raise FileExistsError(errno.EEXIST, "the repeated request")

        monkeypatch.setattr(local_disk.os, "link", twice)
        assert local_disk.appear(written, target)
        monkeypatch.undo()
        other = tmp_path / "other"
        other.write_bytes(b"y")
        assert not local_disk.appear(other, target)
        assert target.read_bytes() == b"x"

    def test_without_links_a_write_that_fails_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written, target = tmp_path / "written", tmp_path / "target"
        written.write_bytes(b"x")

        def refuse(*_: object) -> None:
            raise OSError(errno.EOPNOTSUPP, "no links")

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(local_disk.os, "link", refuse)
        with monkeypatch.context() as patch:
            patch.setattr(local_disk.os, "fsync", full)
            with pytest.raises(OSError, match="full"):
                local_disk.appear(written, target)
        assert not target.exists()
        assert local_disk.appear(written, target)
        assert not local_disk.appear(written, target)
