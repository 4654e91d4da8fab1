"""The scorer's loop; see `protocol`."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import version
from typing import Any, TextIO

import torch

from .protocol import PROTOCOL
from .score import Score, Scorer, Undetected
from .video import Video

PACKAGES = ("vbench", "torch", "torchvision", "numpy", "opencv-python", "decord", "timm", "transformers")


def load(dimensions: Iterable[str], device: str) -> tuple[dict[str, Scorer], dict[str, str]]:
    """The scorers of these dimensions, their models loaded; and by dimension why there is none."""
    # A device and not its name: VBench compares with names, and scales videos down where they are equal.
    on = torch.device(device)
    scorers, unavailable = {}, {}
    for name in dimensions:
        try:
            scorers[name] = import_module(f".dimensions.{name}", __package__).Scorer(on)
        except Exception as error:
            unavailable[name] = _one_line(error)
    return scorers, unavailable


def answer(scorers: dict[str, Scorer], request: dict[str, Any]) -> dict[str, Any]:
    """What is found of one video."""
    video = Video(request["path"], request["prompt"])
    found = {}
    for dimension, auxiliary in request["wanted"].items():
        try:
            found[dimension] = _said(scorers[dimension].score(video, auxiliary))
        except Exception as error:  # one dimension that fails is no reason to lose the others
            found[dimension] = {"error": _one_line(error)}
    return {"video_sha256": video.sha256, "scores": found}


def serve(requests: TextIO, answers: TextIO) -> int:
    """Load what the first line asks for, then answer line by line; the exit code."""

    def say(something: dict[str, Any]) -> None:
        print(json.dumps(something, allow_nan=False), file=answers, flush=True)

    try:
        asked = json.loads(requests.readline())
        if asked["protocol"] != PROTOCOL:
            raise ValueError(f"the harness speaks protocol {asked['protocol']}, this scorer {PROTOCOL}")
        scorers, unavailable = load(asked["dimensions"], asked["device"])
    except Exception as error:
        say({"error": _one_line(error)})
        return 1
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    say({"protocol": PROTOCOL, "versions": versions, "unavailable": unavailable})
    for line in requests:
        try:
            say(answer(scorers, json.loads(line)))
        except Exception as error:
            say({"error": _one_line(error)})
    return 0


def _said(score: Score | Undetected) -> dict[str, Any]:
    if isinstance(score, Undetected):
        return {"undetected": score.reason}
    if not all(math.isfinite(value) for value in (score.value, *score.frame_values)):
        return {"error": f"the result is {score.value}, of frames {list(score.frame_values)[:3]}: not a number"}
    return {"value": float(score.value), "frame_values": [float(value) for value in score.frame_values]}


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"


def main() -> int:
    """Keep standard output for answers alone: VBench and its models print what they like, which goes to the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with torch.no_grad(), answers:
        return serve(sys.stdin, answers)


if __name__ == "__main__":
    sys.exit(main())
