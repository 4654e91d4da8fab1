"""Marks on a CPU are the host's monotonic time."""

from __future__ import annotations

import time

import pytest

from harness.measure import clock as module
from harness.measure.clock import Clock


def test_seconds_between_marks_are_the_time_that_passed():
    clock = Clock("cpu")
    first = clock.mark()
    time.sleep(0.02)
    second, third = clock.mark(), clock.mark()
    assert 0.02 <= clock.seconds(first, second) < 1
    assert clock.seconds(first, third) == pytest.approx(clock.seconds(first, second) + clock.seconds(second, third))


def test_a_changed_wall_clock_changes_nothing(monkeypatch):
    clock = Clock("cpu")
    first = clock.mark()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= clock.seconds(first, clock.mark()) < 1


def test_on_cuda_nothing_waits_until_seconds_are_asked_for(monkeypatch):
    """A mark that synchronised would stop the host from running ahead, and slow what it measures."""
    calls = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self, stream):
            calls.append(("record", stream))

        def synchronize(self):
            calls.append("synchronize")

        def elapsed_time(self, other):
            return 1500.0

    monkeypatch.setattr(module.torch.cuda, "Event", Event)
    monkeypatch.setattr(module.torch.cuda, "current_stream", lambda device: f"stream of {device}")
    clock = Clock("cuda:1")
    first, second = clock.mark(), clock.mark()
    assert calls == [("record", "stream of cuda:1")] * 2
    assert clock.seconds(first, second) == 1.5
    assert calls[2:] == ["synchronize"]
