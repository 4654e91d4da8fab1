from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from fake_worker import make_record, make_task

from harness.events import EventKind, FleetEvent
from harness.live_tracking import FIRST_AFTER_S, PAUSE_FACTOR, LiveTracking, tracking_command

DONE = FleetEvent(EventKind.SUCCEEDED, 0.0, cell_id="c", row="original", record=make_record(make_task("ok")))
TICK = FleetEvent(EventKind.DISPATCHED, 0.0, cell_id="c", row="original")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def script(tmp_path: Path, then: str = "") -> list[str]:
    """A command that notes each of its starts, and then does something."""
    return [sys.executable, "-c", f"open({str(tmp_path / 'starts')!r}, 'a').write('x')\n{then}"]


def starts(tmp_path: Path) -> int:
    path = tmp_path / "starts"
    return len(path.read_text()) if path.exists() else 0


def until_over(tracking: LiveTracking) -> None:
    """Events without news, until the process has been noticed to have ended."""
    deadline = time.monotonic() + 60
    while tracking._process is not None:
        assert time.monotonic() < deadline
        tracking(TICK)
        time.sleep(0.02)


def test_one_at_a_time_with_pauses_and_only_after_news(tmp_path: Path) -> None:
    clock, warnings = Clock(), list[str]()
    with LiveTracking(script(tmp_path), warnings.append, clock) as tracking:
        tracking(DONE)
        assert tracking._process is None
        clock.now = FIRST_AFTER_S
        tracking(TICK)
        first = tracking._process
        assert first is not None
        clock.now += 10
        tracking(DONE)
        until_over(tracking)
        assert starts(tmp_path) == 1
        # It took 10 seconds.
        clock.now += 10 * PAUSE_FACTOR - 1
        tracking(TICK)
        assert tracking._process is None
        clock.now += 1
        tracking(TICK)
        until_over(tracking)
        assert starts(tmp_path) == 2
        clock.now += 10 * FIRST_AFTER_S
        tracking(TICK)
        assert tracking._process is None
    assert warnings == []


def test_a_failure_is_said_once_and_tried_again(tmp_path: Path) -> None:
    clock, warnings = Clock(), list[str]()
    command = script(tmp_path, "import sys; sys.exit('noise\\nwarning: MLflow at x did not take it')")
    with LiveTracking(command, warnings.append, clock) as tracking:
        for _ in range(2):
            clock.now += FIRST_AFTER_S
            tracking(DONE)
            until_over(tracking)
    assert starts(tmp_path) == 2
    assert len(warnings) == 1
    assert "warning: MLflow at x did not take it; the run goes on" in warnings[0]


def test_a_command_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    clock, warnings = Clock(), list[str]()
    with LiveTracking([str(tmp_path / "missing")], warnings.append, clock) as tracking:
        clock.now = FIRST_AFTER_S
        tracking(DONE)
        tracking(DONE)
    assert len(warnings) == 1
    assert "missing" in warnings[0]


def test_the_end_of_the_run_ends_it(tmp_path: Path) -> None:
    clock = Clock()
    with LiveTracking(script(tmp_path, "import time; time.sleep(600)"), pytest.fail, clock) as tracking:
        clock.now = FIRST_AFTER_S
        tracking(DONE)
        process = tracking._process
        assert process is not None
    assert process.poll() is not None


def test_the_command_names_suite_and_store() -> None:
    command = tracking_command("small", "/shared/runs")
    assert command[-6:] == ["harness", "track", "small", "--store", "/shared/runs", "--values-only"]
