"""Peak memory of one generation."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import torch

from harness.records import Memory

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


class PeakMemory:
    """Between `start` and `stop`: the allocator's peaks on CUDA, elsewhere how far the resident set rose.

    On Linux the kernel keeps the peak of the resident set and lets a process reset it, so nothing has to poll. What
    earlier generations freed is handed back first, or a later one would fit into it and seem to need nothing.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._device = device
        self._before = 0

    def start(self) -> None:
        """Begin: peaks seen so far are forgotten."""
        gc.collect()
        if self._cuda:
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            _return_freed_memory()
            _CLEAR_REFS.write_text("5")
            self._before = _kernel_bytes("VmRSS")

    def stop(self, cache_bytes: int) -> Memory:
        """The peaks since `start`, with what the method says it held."""
        if self._cuda:
            return Memory(
                peak_bytes=torch.cuda.max_memory_allocated(self._device),
                peak_reserved_bytes=torch.cuda.max_memory_reserved(self._device),
                cache_bytes=cache_bytes,
                instrument="cuda_max_allocated",
            )
        return Memory(
            peak_bytes=max(0, _kernel_bytes("VmHWM") - self._before),
            peak_reserved_bytes=None,
            cache_bytes=cache_bytes,
            instrument="rss_delta",
        )


def _return_freed_memory() -> None:
    """Ask the C library to give free pages back; only glibc has the call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _kernel_bytes(field: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}; peak memory can be measured on CUDA or on Linux")
