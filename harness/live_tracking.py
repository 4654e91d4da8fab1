"""MLflow while a suite runs: now and then a process of its own brings the rows' values up to date.

The process computes what the report would say now and logs it, one batch for each row that changed; so rows can be
compared at any time, by the very numbers that the end will show. It is another process at the lowest priority, one at a
time and with long pauses: computing over 75,000 records takes minutes, which the driver has not. It may fail or be
killed at any time, since the records are the truth and the tracking at the run's end starts from these.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import IO, Self

from harness.events import EventKind, FleetEvent

FIRST_AFTER_S = 60.0
"""A run that is over sooner is tracked at its end alone."""

PAUSE_FACTOR = 20.0
"""A pause is so many times as long as the last tracking took, and never below FIRST_AFTER_S: under 5 % of one core."""

_NEWS = {EventKind.SUCCEEDED, EventKind.FAILED}


def tracking_command(suite: str, store_root: str) -> list[str]:
    """What to run, with what other processes leave of a core where the system has `nice`."""
    command = [sys.executable, "-m", "harness", "track", suite, "--store", store_root, "--values-only"]
    return command if shutil.which("nice") is None else ["nice", "-n", "19", *command]


class LiveTracking:
    """A listener for the fleet's events. Use it as a context around the run; leaving it ends what is under way."""

    def __init__(
        self, command: Sequence[str], warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Track by `command`; `warn` is told, once for each reason, why it failed."""
        self._command = list(command)
        self._warn = warn
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._warned: set[str] = set()
        self._news = False
        self._started = self._due = clock() + FIRST_AFTER_S

    def __enter__(self) -> Self:
        """Itself, for `on_event`."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Whoever comes next tracks everything anyway."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._forget()

    def __call__(self, event: FleetEvent) -> None:
        """Track if there is something new and the time has come."""
        self._news = self._news or event.kind in _NEWS
        if self._process is not None:
            self._look_after(self._process)
        elif self._news and self._clock() >= self._due:
            self._start()

    def _start(self) -> None:
        self._news = False
        self._started = self._clock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the process
        try:
            # Its own session: an interruption of the run is not meant for it.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
            )
        except OSError as error:
            self._fail(str(error))
            self._forget()
            self._pause()

    def _look_after(self, process: subprocess.Popen[bytes]) -> None:
        code = process.poll()
        if code is None:
            return
        if code != 0 and self._errors is not None:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            self._fail(lines[-1] if lines else f"it ended with {code}")
        self._forget()
        self._pause()

    def _fail(self, reason: str) -> None:
        if reason not in self._warned:
            self._warned.add(reason)
            self._warn(f"MLflow is not up to date: {reason}; the run goes on, and this is tried again")

    def _pause(self) -> None:
        now = self._clock()
        self._due = now + max(FIRST_AFTER_S, PAUSE_FACTOR * (now - self._started))

    def _forget(self) -> None:
        self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None
