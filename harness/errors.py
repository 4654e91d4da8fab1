"""Errors people read. Each names the value, where it came from and the remedy, in one line; all survive pickling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class HarnessError(Exception):
    """Something the user can mend. The command line prints the message alone and exits with 1."""


class SuiteError(HarnessError):
    """A suite file says something impossible."""


class ModelError(HarnessError):
    """A model cannot be loaded."""


class ImageError(HarnessError):
    """An image that a video begins with is missing, or is not the one that was planned with."""


class StoreError(HarnessError):
    """A record or video cannot be read or written."""


class StoreFullError(StoreError):
    """There is no room left where results go: no cell is to blame, and none would fare better."""


class InvalidVideoError(HarnessError):
    """Generation ended, but what came out is not a video (NaN, wrong shape)."""


class MetricUnavailableError(HarnessError):
    """A metric lacks something (weights, package) and must not be computed without it."""


class TrackingError(HarnessError):
    """MLflow could not take the results; nothing of them is lost."""


class ReportError(HarnessError):
    """A document cannot be made as asked."""


class StudyError(HarnessError):
    """A study cannot be held as asked, or has no votes to report."""


class VBenchError(HarnessError):
    """VBench's package, or something in its formats, is missing or is not what it should be."""


class NeedError(HarnessError):
    """A file, package or model that a suite needs is not on this machine, or cannot be got."""


def one_line(error: BaseException) -> str:
    """One line: our own errors as they are, others with their type and where they were raised."""
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, HarnessError):
        return text
    place = ""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is not None:
        place = f" (at {Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno})"
    return f"{type(error).__name__}: {text}{place}"


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` or a list of what is known, to end an error about an unknown name."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"
