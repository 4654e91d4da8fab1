"""Moments on a device's time line, and the seconds between them."""

from __future__ import annotations

import time
from typing import Any

import torch


class Clock:
    """Marks moments without making the device wait; `seconds` waits once, at the end.

    On CUDA a mark is an event in the current stream, so the host may run ahead while the video is made. Elsewhere
    work is done when the call returns, and a mark is the host's monotonic time.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith("cuda")
        self._device = device
        self._marks: list[Any] = []

    def mark(self) -> int:
        """Remember this moment; returns its number."""
        if self._cuda:
            event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self._device))
            self._marks.append(event)
        else:
            self._marks.append(time.perf_counter())
        return len(self._marks) - 1

    def seconds(self, start: int, end: int) -> float:
        """Seconds from one mark to another."""
        if self._cuda:
            self._marks[end].synchronize()
            return float(self._marks[start].elapsed_time(self._marks[end])) / 1000
        return float(self._marks[end] - self._marks[start])
