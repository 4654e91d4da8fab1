"""What methods and families answered, kept from one process to the next, so that a second plan needs no torch."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.planning.code_state import code_state
from harness.vbench.package import cache_folder

MOST_ANSWERS = 4096
"""In a file, those asked last; a suite of 40 rows asks 60 questions."""
KEPT_FILES = 4
"""One for each state of the code, those written last."""


def users_memory() -> Remembered | None:
    """What this user's processes remember, in `plans` of the harness's folder in the user's cache.

    None in a process that has torch: it gains nothing, and may hold code that is not on disk any more, whose answers
    must not be filed under what is.
    """
    return None if "torch" in sys.modules else Remembered(cache_folder() / "plans")


class Remembered:
    """Answers to questions about code, in one file for each state of that code.

    A file that is missing, cut short or damaged counts as empty. Of two processes that write at once the later one's
    file stays; neither reader nor writer ever sees half of one.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is known of the code as it is now."""
        self._state = code_state()
        self._path = folder / f"{self._state}.json"
        self._answers = _read(self._path)
        self._learned = False

    def ask(self, question: object, answer: Callable[[], Any]) -> Any:
        """The answer as it is after JSON, from `answer` where the question is new.

        The question's `repr` stands for it; the answer must follow from it and the code alone.
        """
        key = hashlib.sha256(repr(question).encode()).hexdigest()[:32]
        if key in self._answers:
            found = self._answers.pop(key)
        else:
            found, self._learned = json.loads(json.dumps(answer())), True
        self._answers[key] = found  # at the end, as the one asked last
        return found

    def keep(self) -> None:
        """Write down what was learned, unless the code has changed meanwhile.

        A folder that cannot be written costs the next plan its time and nothing else, so that is no error.
        """
        if not self._learned or code_state() != self._state:
            return
        body = json.dumps(dict(list(self._answers.items())[-MOST_ANSWERS:])).encode()
        temporary = self._path.with_name(f"{os.getpid()}-{os.urandom(8).hex()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(_checksum(body) + b"\n" + body)
            temporary.replace(self._path)
            by_age = sorted(self._path.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
            for old in by_age[KEPT_FILES:]:
                old.unlink(missing_ok=True)
        except OSError:
            return


def _read(path: Path) -> dict[str, Any]:
    try:
        checksum, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    answers: dict[str, Any] = json.loads(body) if checksum == _checksum(body) else {}
    return answers


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
