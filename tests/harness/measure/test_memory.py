"""Peak memory on a CPU is how far the resident set rose, also for memory that was freed again."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
import torch

from harness.measure import memory as module
from harness.measure.memory import PeakMemory

MIB = 1 << 20


def touch(mebibytes):
    np.ones(mebibytes * MIB, dtype=np.uint8)


@pytest.fixture(params=["kernel", "polling"])
def instrument(request, monkeypatch, tmp_path):
    """Both ways of measuring; a kernel without a resettable peak is one without its file."""
    if request.param == "polling":
        monkeypatch.setattr(module, "_CLEAR_REFS", tmp_path / "none" / "clear_refs")
        monkeypatch.setattr(module, "POLL_S", 0.001)
    else:
        try:
            module._CLEAR_REFS.write_text("5")
        except OSError:
            pytest.skip("this kernel cannot reset its peak")
    return request.param


def test_counts_memory_that_was_freed_again(instrument):
    peak = PeakMemory("cpu")
    peak.start()
    for _ in range(5):
        touch(64)
    measured = peak.stop(cache_bytes=7)
    assert 56 * MIB <= measured.peak_bytes <= 120 * MIB
    assert measured.cache_bytes == 7
    assert measured.peak_reserved_bytes is None
    assert measured.instrument == "rss_delta"


def test_forgets_the_peak_before_its_start(instrument):
    touch(128)
    peak = PeakMemory("cpu")
    peak.start()
    touch(16)
    assert peak.stop(0).peak_bytes <= 80 * MIB


def test_an_abandoned_measurement_leaves_no_thread_behind(instrument):
    """A generation that fails never calls `stop`."""
    before = threading.active_count()
    peak = PeakMemory("cpu")
    peak.start()
    thread = peak._poll._thread if peak._poll else None
    del peak
    gc.collect()
    if thread is not None:
        thread.join(timeout=5)
    assert threading.active_count() == before


def test_on_cuda_the_allocators_peaks_are_reset_and_read(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: calls.append("synchronize"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append(f"reset {device}"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 11)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 22)
    peak = PeakMemory("cuda:0")
    peak.start()
    measured = peak.stop(3)
    assert calls == ["synchronize", "reset cuda:0"]
    assert (measured.peak_bytes, measured.peak_reserved_bytes, measured.cache_bytes) == (11, 22, 3)
    assert measured.instrument == "cuda_max_allocated"
