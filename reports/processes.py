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
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Final, TypeVar

from harness.errors import ReportError

MANY_CELLS: Final = 4_000
"""A suite of fewer is reported before another process has begun."""
MOST_HELPERS: Final = 3
"""Beyond these, handing work out takes longer than doing it."""

_T = TypeVar("_T")


def shared(action: Callable[..., _T], each: Sequence[tuple[Any, ...]], ahead: int = 2) -> list[_T]:
    """`action` of every tuple of arguments, in their order; whoever is free does the next, this process too.

    Helpers begin at the front and this process at the end. A helper has at most `ahead` of them: what it does and what
    it does next, so that it need not wait to be given it; only one where each takes long, so that none is left behind.
    Action, arguments and results travel between processes, so they have to be picklable. What an action raises is
    raised here; a process that is killed is a ReportError.
    """
    pool = _pool()
    if pool is None:
        return [action(*arguments) for arguments in each]
    found: dict[int, _T] = {}
    handed_out: dict[int, Future[_T]] = {}
    failed: list[Future[_T]] = []
    waiting, lock = deque(range(len(each))), threading.Lock()

    def hand_out(done: Future[_T] | None = None) -> None:
        if done is not None and done.exception() is not None:
            failed.append(done)
            return
        with lock:
            if not waiting:
                return
            at = waiting[0]
            handed_out[at] = pool.submit(action, *each[at])
            waiting.popleft()
        handed_out[at].add_done_callback(hand_out)

    try:
        for _ in range(ahead * _helpers()):
            hand_out()
        while not failed:
            with lock:
                if not waiting:
                    break
                at = waiting.pop()
            found[at] = action(*each[at])
        if failed:
            failed[0].result()
        return [found[at] if at in found else handed_out[at].result() for at in range(len(each))]
    except BrokenProcessPool as error:
        _pool.cache_clear()
        raise ReportError("a process that helped was killed; see that there is memory, and report again") from error
    finally:
        with lock:
            waiting.clear()


def meanwhile(module: str) -> None:
    """Have the helpers import what they will need, while they have nothing to do; nobody waits for it."""
    pool = _pool()
    if pool is not None:
        # One that was killed is told by what is shared next.
        with suppress(BrokenProcessPool):
            for _ in range(_helpers()):
                pool.submit(import_module, module)


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
