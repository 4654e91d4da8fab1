"""A scorer in VBench's own environment, as a process; `harness.scorers.vbench_scorer.protocol` says how they talk.

The process sees the scorer's package and its own environment, nothing else of the harness, and no network.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import harness.scorers
from harness.errors import VBenchError
from harness.scorers.vbench_scorer.protocol import PROTOCOL
from harness.vbench.found import Answer, Found

MODULE: Final = "vbench_scorer"
LOAD_TIMEOUT_S: Final = 1800.0
VIDEO_TIMEOUT_S: Final = 1800.0
"""For all dimensions of one video: on a processor, a few seconds of video take minutes."""
LAST_WORDS: Final = 2000
"""Bytes of a scorer's log in which its last words are looked for."""


class ScorerLostError(VBenchError):
    """A scorer process died, said nothing for too long, or spoke nonsense."""


class ScorerProcess:
    """One process with the models of some dimensions on one device. Close it, or it stays."""

    def __init__(
        self,
        python: Path,
        dimensions: Sequence[str],
        device: str,
        *,
        load_timeout_s: float = LOAD_TIMEOUT_S,
        video_timeout_s: float = VIDEO_TIMEOUT_S,
    ) -> None:
        """Start it and wait until its models are loaded. `device` is `cpu` or `cuda:<index>`.

        Raises:
            ScorerLostError: it cannot be started, or does not come to the point of being asked.
        """
        self._video_timeout_s = video_timeout_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(
                [str(python), "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                env=_environment(device),
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise ScorerLostError(f"{python} cannot be started ({error.strerror}); see `harness doctor`") from None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        try:
            asked = {"protocol": PROTOCOL, "dimensions": list(dimensions), "device": device.partition(":")[0]}
            said = self._ask(asked, load_timeout_s)
            if "error" in said:
                raise ScorerLostError(f"the scorer does not start: {said['error']}")
            if said.get("protocol") != PROTOCOL:
                raise ScorerLostError(f"the scorer speaks protocol {said.get('protocol')}, the harness {PROTOCOL}")
        except BaseException:
            self.close()
            raise
        self.versions: Mapping[str, str] = said["versions"]
        self.unavailable: Mapping[str, str] = said["unavailable"]

    def score(self, video: Path, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """As `VideoScorer.score`."""
        said = self._ask({"path": str(video), "prompt": prompt, "wanted": dict(wanted)}, self._video_timeout_s)
        if "error" in said:
            raise VBenchError(f"{video.name} cannot be scored: {said['error']}")
        try:
            return Answer(said["video_sha256"], {name: _found(said["scores"][name]) for name in wanted})
        except (KeyError, TypeError) as error:
            raise ScorerLostError(f"the scorer's answer cannot be used ({error!r})") from None

    def close(self) -> None:
        """End the process, whatever it does."""
        # With its whole session: a loader of data may have children.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # A pipe that is read from cannot be closed; with the process gone, its end has come.
        self._listener.join()
        pipes: tuple[IO[Any] | None, ...] = (self._process.stdin, self._process.stdout, self._log)
        for pipe in pipes:
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _listen(self, answers: IO[str]) -> None:
        with contextlib.suppress(ValueError):  # closed under way
            for line in answers:
                self._lines.put(line)
        self._lines.put(None)

    def _ask(self, something: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Say one line, and wait for the line that answers it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(something) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise ScorerLostError(f"the scorer said nothing for {timeout_s:g} s") from None
        except OSError:
            line = None
        if line is None:
            raise ScorerLostError(f"the scorer died ({self._last_words()})")
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            raise ScorerLostError(f"the scorer said {line[:80]!r}, which is no JSON") from None
        return said

    def _last_words(self) -> str:
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - LAST_WORDS))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        try:
            code = f"exit code {self._process.wait(timeout=5)}"
        except subprocess.TimeoutExpired:
            code = "still ending"
        return f"{code}: {lines[-1].strip()}" if lines else code


def _environment(device: str) -> dict[str, str]:
    """The scorer's: its own package alone on the path, one device to be seen, nothing to be downloaded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    _, _, index = device.partition(":")
    seen = {"CUDA_VISIBLE_DEVICES": _nth_visible(int(index))} if index else {}
    return {
        **kept,
        **seen,
        "PYTHONPATH": str(Path(harness.scorers.__file__).parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
    }


def _nth_visible(index: int) -> str:
    """The name of this process's `index`-th GPU, some of which may be hidden from it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[index] if visible else str(index)


def _found(said: Mapping[str, Any]) -> Found:
    if "error" in said:
        return Found("failed", said["error"])
    if "undetected" in said:
        return Found("undetected", said["undetected"])
    return Found("ok", value=float(said["value"]), frame_values=tuple(float(one) for one in said["frame_values"]))
