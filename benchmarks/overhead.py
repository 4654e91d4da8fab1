"""What the harness adds to a generation: the same cells through it and through a bare diffusers loop.

Both run in one process, on one pipeline, in turn (A B A B ...), so that the machine's drift hits both alike. Printed
are the ratio of the summed denoising times (pipeline call with the latents as output, nothing measured inside), and
the ratio of whole cells, which includes what a bare loop does not do at all: video files, records and scores.

    python benchmarks/overhead.py suites/quickstart.yaml --cells 8
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # run as a script, methods.py beside this file would be found as the package `methods`

import torch

from harness.plan import make_plan
from harness.suite import load_suite
from harness.task import CellTask
from harness.worker import Worker
from methods.base import Sampling


class BarePipeline:
    """What people write today: load, seed, call; the time of the denoising loop from the last two callbacks."""

    def __init__(self, worker: Worker, task: CellTask) -> None:
        # The worker's own pipeline, so that both sides run the very same weights in the same memory; but the counting
        # and everything else the harness put on it is taken off for each bare call.
        self._worker = worker
        resident = worker._pipeline(task.model)
        self._resident = resident

    def denoise_s(self, task: CellTask) -> float:
        """Seconds from the initial noise to the end of the last step."""
        resident = self._resident
        resident.leave_row()
        resident._meter.__exit__(None, None, None)
        try:
            sampling = Sampling(**task.key.sampling)
            arguments = resident._family.call_arguments(task.key.prompt, sampling)
            marks: list[float] = []

            def on_step_end(pipeline: Any, step_index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
                marks.append(time.perf_counter())
                return tensors

            prepare = resident._pipeline.prepare_latents

            def prepare_latents(*args: Any, **kwargs: Any) -> Any:
                latents = prepare(*args, **kwargs)
                marks.append(time.perf_counter())
                return latents

            resident._pipeline.prepare_latents = prepare_latents
            with torch.no_grad():
                resident._pipeline(
                    **arguments,
                    generator=torch.Generator(resident._device).manual_seed(task.key.seed),
                    callback_on_step_end=on_step_end,
                    output_type="np",
                )
            return marks[-1] - marks[0]
        finally:
            del resident._pipeline.prepare_latents
            resident._meter.__enter__()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--cells", type=int, default=8, help="cells of the original's row")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plan = make_plan(load_suite(options.suite))
    tasks = [task for task in plan.tasks() if task.reference_cell_id is None][: options.cells]
    through, bare, whole = [], [], []
    with tempfile.TemporaryDirectory() as store:
        worker = Worker(store)
        loop = BarePipeline(worker, tasks[0])
        loop.denoise_s(tasks[0])
        worker.run(replace(tasks[0], cell_id="0" * 32))
        for index, task in enumerate(tasks):
            sides = ["harness", "bare"] if index % 2 == 0 else ["bare", "harness"]
            for side in sides:
                if side == "bare":
                    bare.append(loop.denoise_s(task))
                else:
                    # The row is entered (and warmed up) outside of the clock, as it is once for all cells of a row.
                    worker._pipeline(task.model).enter_row(task, Sampling(**task.key.sampling))
                    started = time.perf_counter()
                    record = worker.run(task)
                    whole.append(time.perf_counter() - started)
                    if record.latency is None:
                        raise SystemExit(f"cell failed: {record.reason}")
                    through.append(record.latency.denoise_s)
        worker.close()
    ratios = [a / b for a, b in zip(through, bare, strict=True)]
    result = {
        "machine": platform.platform(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "cells": len(tasks),
        "denoise_ratio_of_sums": sum(through) / sum(bare),
        "denoise_ratio_median": statistics.median(ratios),
        "denoise_ratio_min": min(ratios),
        "denoise_ratio_max": max(ratios),
        "bare_denoise_s_median": statistics.median(bare),
        "harness_denoise_s_median": statistics.median(through),
        "whole_cell_s_median": statistics.median(whole),
    }
    if options.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:28} {value:.4f}" if isinstance(value, float) else f"{key:28} {value}")


if __name__ == "__main__":
    main()
