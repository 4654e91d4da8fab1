"""How a training is going, on standard error: a live bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from harness.progress import LINE_EVERY_S
from harness.progress_view import left_in_words
from methods.training.loop import Progress


class TrainingProgress:
    """A `Report` for a training's loop. Use it as a context around the training."""

    def __init__(self, rung: str, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `console`, by default standard error."""
        self._rung, self._console, self._clock = rung, console or Console(stderr=True), clock
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._bars = Bars(*columns, TextColumn("{task.fields[said]}", markup=False), console=self._console)
        self._task = self._bars.add_task(rung, total=None, said="")
        self._last_line = float("-inf")

    def __enter__(self) -> Self:
        """Itself, to be called."""
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        if self._console.is_terminal:  # elsewhere it would print an empty line
            self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Show one iteration."""
        losses = [f"{name} {value:.4g}" for name, value in progress.losses.items()]
        said = ", ".join([*losses, *filter(None, [left_in_words(progress.eta_s, 0)])])
        if self._console.is_terminal:
            self._bars.update(self._task, completed=progress.iteration, total=progress.iterations, said=said)
        elif self._clock() - self._last_line >= LINE_EVERY_S or progress.iteration == progress.iterations:
            self.say(f"iteration {progress.iteration} of {progress.iterations}: {said}")

    def encoding(self, done: int, clips: int) -> None:
        """Show how many clips are encoded."""
        if self._clock() - self._last_line >= LINE_EVERY_S:
            self.say(f"{done} of {clips} clips encoded")

    def say(self, text: str) -> None:
        """A line by itself."""
        self._last_line = self._clock()
        self._console.print(f"{self._rung}: {text}", markup=False, highlight=False, soft_wrap=True)
