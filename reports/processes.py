"""Work that a report shares with other processes of this machine, so that no core waits while another has it all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any, Final, TypeVar

from harness.errors import ReportError

MANY_CELLS: Final = 4_000
"""A suite of fewer is reported before another process has begun."""
MOST_HELPERS: Final = 3
"""Beyond these, handing work out takes longer than doing it."""
AHEAD: Final = 2
"""What a helper has to do and what it will do next, so that it need not wait for this process to be free."""

_T = TypeVar("_T")


def shared(action: Callable[..., _T], each: Sequence[tuple[Any, ...]]) -> list[_T]:
    """`action` of every tuple of arguments, in their order; whoever is free does the next, this process too.

    Action, arguments and results travel between processes, so they have to be picklable. What an action raises is
    raised here; a process that is killed is a ReportError.
    """
    pool = _pool()
    if pool is None:
        return [action(*arguments) for arguments in each]
    found: dict[int, _T] = {}
    handed_out: dict[int, Future[_T]] = {}
    waiting = deque(range(len(each)))
    try:
        while waiting:
            # Handed out from the beginning and only a little ahead, so that this process finds something at the end.
            while waiting and sum(not future.done() for future in handed_out.values()) < AHEAD * _helpers():
                at = waiting.popleft()
                handed_out[at] = pool.submit(action, *each[at])
            if waiting:
                at = waiting.pop()
                found[at] = action(*each[at])
        return [found[at] if at in found else handed_out[at].result() for at in range(len(each))]
    except BrokenProcessPool as error:
        _pool.cache_clear()
        raise ReportError("a process that helped was killed; see that there is memory, and report again") from error


@cache
def _pool() -> ProcessPoolExecutor | None:
    """Kept until this process ends, since to begin one takes a second; None on a single core.

    Its processes are not forks: there may be threads here (Ray's, MLflow's), and a fork would copy their locks.
    """
    return ProcessPoolExecutor(_helpers(), multiprocessing.get_context("spawn"), _begin) if _helpers() else None


def _helpers() -> int:
    return min(cores() - 1, MOST_HELPERS)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """A helper leaves Ctrl-C to the process it helps, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
