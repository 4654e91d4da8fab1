"""Work shared with another process: in order, with its errors, and clean when that process dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import ReportError, StoreError
from reports import processes
from reports.processes import meanwhile, shared


@pytest.fixture
def one_helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    processes._pool.cache_clear()
    yield
    pool = processes._pool()
    assert pool is not None
    pool.shutdown()
    processes._pool.cache_clear()


def slow_square(value: int) -> tuple[int, int]:
    time.sleep(0.05)
    return value**2, os.getpid()


def refuse(value: int) -> int:
    raise StoreError(f"{value} is not here")


def fail_at(value: int, where: int, begun: Path) -> int:
    (begun / str(value)).touch()
    time.sleep(0.05)
    if value == where:
        raise StoreError(f"{value} is not here")
    return value


def has_imported(module: str) -> tuple[bool, int]:
    time.sleep(0.05)
    return module in sys.modules, os.getpid()


def die_as_helper(value: int) -> int:
    time.sleep(0.05)
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


@pytest.mark.usefixtures("one_helper")
def test_results_come_in_order_whoever_found_them_and_errors_as_they_were_raised() -> None:
    found = shared(slow_square, [(value,) for value in range(60)])
    assert [square for square, _ in found] == [value**2 for value in range(60)]
    assert len({process for _, process in found}) == 2
    with pytest.raises(StoreError, match="is not here"):
        shared(refuse, [(1,), (2,)])


@pytest.mark.usefixtures("one_helper")
@pytest.mark.parametrize("where", [1, 59])
def test_after_an_error_nothing_more_is_begun(where: int, tmp_path: Path) -> None:
    """Whether it comes of the helper, which begins at the front, or of this process."""
    shared(slow_square, [(1,), (2,)])
    with pytest.raises(StoreError, match=f"{where} is not here"):
        shared(fail_at, [(value, where, tmp_path) for value in range(60)])
    assert [square for square, _ in shared(slow_square, [(3,), (4,), (5,), (6,)])] == [9, 16, 25, 36]
    assert len(list(tmp_path.iterdir())) < 30


@pytest.mark.usefixtures("one_helper")
def test_helpers_import_meanwhile() -> None:
    module = "tabnanny"
    assert module not in sys.modules
    meanwhile(module)
    found = shared(has_imported, [(module,)] * 10, ahead=1)
    assert {imported for imported, process in found if process != os.getpid()} == {True}
    assert {imported for imported, process in found if process == os.getpid()} == {False}


@pytest.mark.usefixtures("one_helper")
def test_a_killed_process_is_an_error_and_the_next_call_has_another() -> None:
    with pytest.raises(ReportError, match="was killed"):
        shared(die_as_helper, [(value,) for value in range(60)])
    assert [square for square, _ in shared(slow_square, [(3,)])] == [9]


def test_a_single_core_does_all_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    processes._pool.cache_clear()
    assert shared(slow_square, [(2,), (3,)]) == [(4, os.getpid()), (9, os.getpid())]
    processes._pool.cache_clear()
