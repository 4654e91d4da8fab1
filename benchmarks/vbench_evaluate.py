"""`VBench.evaluate` as it is published, dimension by dimension, with the seconds that each took.

Runs in VBench's environment, as the other side of `vbench_scoring.py` and of the test that compares digits.

    $VBENCH_PYTHON benchmarks/vbench_evaluate.py DEVICE VIDEOS FULL_INFO.json OUT_FOLDER dimension [dimension ...]

Loading a dimension's models and importing what they need is in its seconds, as a user of VBench waits for them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from vbench import VBench


def main(device: str, videos: str, full_info: str, out: Path, dimensions: list[str]) -> None:
    bench = VBench(torch.device(device), full_info, str(out))
    found = {}
    for dimension in dimensions:
        began, began_cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():  # two dimensions leave it out, and run out of memory
            bench.evaluate(videos_path=videos, name=dimension, dimension_list=[dimension], local=True)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
        aggregate, videos_found = json.loads((out / f"{dimension}_eval_results.json").read_text())[dimension]
        found[dimension] = {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "aggregate": aggregate,
            "videos": {Path(one["video_path"]).name: one["video_results"] for one in videos_found},
        }
        (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:4], Path(sys.argv[4]), sys.argv[5:])
