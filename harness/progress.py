"""How a run is going, on standard error: a live view on a terminal, now and then a line elsewhere; and in the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from harness.events import EventKind, FleetEvent
from harness.progress_view import failure_lines, progress_view, summary_line
from harness.run_progress import RunProgress
from harness.run_tally import RunTally

LINE_EVERY_S = 15.0
"""Pause between two lines where there is no terminal."""

TOLD_EVERY_S = 15.0
"""Pause between two words in the store."""

_DRAWN_A_SECOND = 2


class Progress:
    """A listener for the fleet's events. Use it as a context around the run.

    `tell` is given how things stand every few seconds, in a thread of its own, and once more at the end.
    """

    def __init__(
        self,
        suite: str,
        console: Console | None = None,
        tell: Callable[[RunProgress], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write to `console`, by default standard error."""
        self._console = console or Console(stderr=True)
        self._tell = tell
        self._clock = clock
        self._tally = RunTally(suite)
        # The terminal is drawn and the store is told by threads of their own.
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._teller: threading.Thread | None = None
        self._live: Live | None = None
        self._last_line = float("inf")  # nothing is due before the first one, which the plan brings

    def __enter__(self) -> Self:
        """Itself, for `on_event`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, and say that the run is over."""
        self._stop_drawing()
        self._over.set()
        if self._teller is not None and self._tell is not None:
            self._teller.join()
            self._tell(self._now().model_copy(update={"ended": True}))

    def __call__(self, event: FleetEvent) -> None:
        """Show one event."""
        due = self._live is None and self._clock() - self._last_line >= LINE_EVERY_S
        if due and event.kind is not EventKind.ENDED:
            # Before the event: a worker that has just finished would always be called idle.
            self._line()
        with self._lock:
            self._tally.add(event)
        if event.kind is EventKind.PLANNED:
            self._begin()
        if event.message is not None:
            self.say(f"{event.kind.value}: {event.message}")
        if event.kind is EventKind.ENDED:
            self._stop_drawing()
            self._line()
            for line in failure_lines(self._now()):
                self.say(line)

    def say(self, text: str) -> None:
        """Print a line above what is drawn."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _begin(self) -> None:
        if self._console.is_terminal:
            self._stop_drawing()
            self._live = Live(get_renderable=self._view, console=self._console, refresh_per_second=_DRAWN_A_SECOND)
            self._live.start()
        else:
            self._line()
        if self._tell is not None and self._teller is None:
            self._teller = threading.Thread(target=self._keep_telling, daemon=True)
            self._teller.start()

    def _keep_telling(self) -> None:
        assert self._tell is not None
        while not self._over.is_set():
            self._tell(self._now())
            self._over.wait(TOLD_EVERY_S)

    def _now(self) -> RunProgress:
        with self._lock:
            return self._tally.progress(self._clock())

    def _view(self) -> RenderableType:
        return progress_view(self._now())

    def _line(self) -> None:
        self._last_line = self._clock()
        self.say(summary_line(self._now()))

    def _stop_drawing(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
