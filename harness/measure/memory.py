"""Peak memory of one generation."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import weakref
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import torch

from harness.records import Memory

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
POLL_S = 0.02
"""How often the resident set is looked at where the kernel's peak cannot be reset."""


class PeakMemory:
    """Between `start` and `stop`: the allocator's peaks on CUDA, elsewhere how far the resident set rose.

    On Linux the kernel keeps the peak of the resident set and lets a process reset it, so nothing has to poll. What
    earlier generations freed is handed back first, or a later one would fit into it and seem to need nothing. Where
    the kernel offers none of this (macOS, some sandboxes), a thread polls.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._device = device
        self._before = 0
        self._poll: _Poll | None = None

    def start(self) -> None:
        """Begin: peaks seen so far are forgotten."""
        gc.collect()
        if self._cuda:
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _return_freed_memory()
            try:
                _CLEAR_REFS.write_text("5")
                self._before = _kernel_bytes("VmRSS")
                _kernel_bytes("VmHWM")
            except OSError:
                self._poll = _Poll()
                self._before = self._poll.peak_bytes

    def stop(self, cache_bytes: int) -> Memory:
        """The peaks since `start`, with what the method says it held."""
        if self._cuda:
            return Memory(
                peak_bytes=torch.cuda.max_memory_allocated(self._device),
                peak_reserved_bytes=torch.cuda.max_memory_reserved(self._device),
                cache_bytes=cache_bytes,
                instrument="cuda_max_allocated",
            )
        peak = _kernel_bytes("VmHWM") if self._poll is None else self._poll.end()
        return Memory(
            peak_bytes=max(0, peak - self._before),
            peak_reserved_bytes=None,
            cache_bytes=cache_bytes,
            instrument="rss_delta",
        )


class _Poll:
    """Looks at the resident set until it is ended, or let go of because the generation failed."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.peak_bytes = 0
        self._ended = threading.Event()
        self._look()
        owner = weakref.ref(self)
        self._thread = threading.Thread(target=_keep_looking, args=(owner, self._ended), daemon=True)
        self._thread.start()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, int(self._process.memory_info().rss))

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        self._look()
        return self.peak_bytes


def _keep_looking(owner: weakref.ref[_Poll], ended: threading.Event) -> None:
    while not ended.wait(POLL_S):
        poll = owner()
        if poll is None:
            return
        poll._look()
        del poll


def _return_freed_memory() -> None:
    """Ask the C library to give free pages back; only glibc has the call."""
    with contextlib.suppress(OSError, TypeError):  # Windows has no C library of that name
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _kernel_bytes(field: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}")
