"""Telling the troubles of storage apart: an answer, a full disk, a fault that passes, and everything else."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from harness.errors import StoreError, StoreFullError

LOGGER = logging.getLogger(__name__)

ANSWERS = (FileNotFoundError, NotADirectoryError, FileExistsError)
"""Not troubles: whoever asked wants to know."""

PATIENCE_S = 900.0
"""So long a run waits for storage that is away: a file server restarts within minutes."""

_LONGEST_PAUSE_S = 60.0

_FULL = {errno.ENOSPC, errno.EDQUOT}

_LASTING = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
"""Would be the same a minute later."""

_T = TypeVar("_T")


def is_full(error: BaseException) -> bool:
    """Whether there is no room left: the disk's, or the user's share of it."""
    return isinstance(error, OSError) and error.errno in _FULL


def may_pass(error: BaseException) -> bool:
    """Whether a minute may help, as with a file server that restarts. Object stores raise types of their own."""
    if isinstance(error, OSError):
        return not is_full(error) and error.errno not in _LASTING
    return not isinstance(error, ValueError | TypeError | NotImplementedError | ImportError)


def ask(action: Callable[[], _T], said: Callable[[str], str], patience_s: float) -> _T:
    """Do something to a file system, repeating what may pass for `patience_s` seconds.

    `said` puts the last trouble into the words of a StoreError (StoreFullError where there is no room); `ANSWERS` come
    through as they are.
    """
    deadline, pause_s = time.monotonic() + patience_s, 1.0
    while True:
        try:
            return action()
        except (*ANSWERS, StoreError):
            raise
        except Exception as error:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not may_pass(error):
                kind = StoreFullError if is_full(error) else StoreError
                raise kind(said(" ".join(str(error).split()) or type(error).__name__)) from error
            LOGGER.warning("%s; trying again for %.0f s", said(str(error)), left_s)
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
