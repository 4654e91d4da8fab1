"""A scorer that speaks the protocol and knows nothing: `python fake_scorer.py BEHAVIOUR`, see `install`."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from pathlib import Path


def install(folder: Path, behaviour: str) -> Path:
    """An interpreter that runs this in place of any module that it is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__)}" {behaviour}\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return python


def answer(request: dict, behaviour: str) -> dict:
    path = Path(request["path"])
    if behaviour == "dies on x" and path.name.startswith("x"):
        print("Segmentation fault", file=sys.stderr, flush=True)
        os._exit(11)
    if behaviour == "hangs":
        time.sleep(60)
    scores = {name: {"value": 0.5, "frame_values": [0.25, 0.75]} for name in request["wanted"]}
    if "color" in scores:
        scores["color"] = {"undetected": "no car"}
    if "scene" in scores:
        scores["scene"] = {"error": "RuntimeError: out of luck"}
    return {"video_sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "scores": scores, "seen": request["wanted"]}


def main(behaviour: str) -> None:
    asked = json.loads(sys.stdin.readline())
    if behaviour == "speaks another version":
        print(json.dumps({"error": f"ValueError: not protocol {asked['protocol']}"}), flush=True)
        return
    if behaviour == "mumbles":
        print("loading...", flush=True)
    lacks = {"scene": "FileNotFoundError: no Tag2Text"} if behaviour == "lacks scene" else {}
    environment = {name: os.environ.get(name, "") for name in ("PYTHONPATH", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES")}
    print(json.dumps({"protocol": 1, "versions": environment, "unavailable": lacks}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), behaviour)), flush=True)


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
