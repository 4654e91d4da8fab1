"""What methods cost on a big model's real shapes with random weights: full and cached steps, peak memory, speedup.

Runs the transformer alone, at the sizes of a suite's rows, in the suite's type, for the first few steps of each row's
own schedule, which must hold a full and a cached one; the time of a whole video follows from how many of each the row
has. Beside it stands the theoretical speedup of `harness plan --cost`, so that the last columns of DisCa's Table 7 can
be measured on any GPU that holds the transformer. Nothing is downloaded.

    python benchmarks/real_shapes.py suites/disca_table7.yaml --steps 8 --out docs/measurements/disca_table7.md
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # run as a script, methods.py beside this file would be found as the package `methods`

import torch

from harness.cost.models import architecture_of
from harness.cost.price import PriceList
from harness.cost.stand_in import set_timesteps, stand_in_pipeline
from harness.cost.traces import stated_basis
from harness.discovery import load_family
from harness.environment import describe_environment
from harness.measure.memory import PeakMemory
from harness.plan import make_plan
from harness.planning.row import Row
from harness.variant import load_variant
from methods.base import Decision


@dataclass(frozen=True)
class Measured:
    """Seconds of a step by what was done in it, and the most memory a row took."""

    full_step_s: float
    cached_step_s: float | None
    peak_bytes: int


def stated_trace(row: Row) -> Sequence[Decision]:
    """The full steps the suite states for an adaptive row, spread as `harness plan --cost` spreads them."""
    if row.cost is None or row.cost.full_steps is None:
        raise SystemExit(
            f"{row.name}: what it computes depends on the video; state cost: {{full_steps: N}} in the suite"
        )
    branches = load_family(row.model.family).branches(row.sampling)
    steps = row.sampling.num_inference_steps
    trace = stated_basis(steps, branches, row.cost.full_steps, row.cost.levels).traces[0].trace
    assert trace is not None
    return trace


def random_transformer(row: Row, device: str) -> Any:
    """The row's architecture with small random weights on the device."""
    family = load_family(row.model.family)
    transformer = family.empty_transformer(architecture_of(row.model, family)).to_empty(device=device)
    # Not the model's own `to`, which speaks of modules it would keep in float32.
    transformer = torch.nn.Module.to(transformer, getattr(torch, row.model.dtype)).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in (*transformer.parameters(), *transformer.buffers()):
            if tensor.is_floating_point():
                tensor.normal_(std=0.02)
    return transformer


@torch.no_grad()
def measure(row: Row, transformer: Any, steps: int, device: str) -> Measured:
    """The first steps of the row's schedule, each timed; the very first, which warms up, is made twice."""
    family, sampling = load_family(row.model.family), row.sampling
    pipeline = stand_in_pipeline(family, architecture_of(row.model, family), transformer)
    calls = family.transformer_calls(transformer, sampling)
    for call in calls:
        for value in call.arguments.values():
            if isinstance(value, torch.Tensor):
                value.normal_() if value.is_floating_point() else value.zero_()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    with family.scheduled(pipeline, sampling):
        set_timesteps(pipeline, sampling)
        timesteps = family.timesteps(pipeline)
        with row.method.apply(pipeline, family) as applied:
            if row.method.adaptive:
                applied.follow(stated_trace(row))
            memory = PeakMemory(device)
            for attempt in ("warm up", "measure"):
                applied.reset()
                memory.start()
                for step in range(1 if attempt == "warm up" else min(steps, len(timesteps))):
                    started = _now(device)
                    for call in calls:
                        own = call.context_name is not None
                        with transformer.cache_context(call.context_name) if own else nullcontext():
                            transformer(**call.arguments)
                    elapsed = _now(device) - started
                    if attempt == "measure":
                        done = [decision for decision in applied.decisions() if decision.step_index == step]
                        seconds[all(decision.action == "compute" for decision in done)].append(elapsed)
            peak = memory.stop(applied.cache_bytes()).peak_bytes
    cached = statistics.median(seconds[False]) if seconds[False] else None
    return Measured(statistics.median(seconds[True]), cached, peak)


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--steps", type=int, default=8, help="steps of each row's schedule that are made and timed")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--tiny", action="store_true", help="tiny stand-ins, to try the script itself")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    plan = make_plan(load_variant(options.suite, tiny=options.tiny))
    costs = {cost.row: cost for cost in PriceList(plan).rows()}
    environment = describe_environment(options.device)
    lines = [
        f"# {options.suite.stem}: real shapes, random weights",
        "",
        f"`benchmarks/real_shapes.py {options.suite} --steps {options.steps}`, {datetime.now(UTC).date().isoformat()}, "
        f"{environment['device_name']}, torch {torch.__version__}. Steps of the transformer alone.",
        "",
        "| Row | Full step (s) | Cached step (s) | Peak (GB) | Speedup, actual | Speedup, theoretical |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    original_s: float | None = None
    transformer: Any = None
    loaded: Any = None
    for row in plan.rows:
        if options.only not in row.name or not row.supported:
            continue
        cost = costs[row.name]
        if loaded != row.model.model:
            transformer, loaded = None, row.model.model
            transformer = random_transformer(row, options.device)
        found = measure(row, transformer, options.steps, options.device)
        full = cost.full_steps or 0
        video_s = full * found.full_step_s + (row.sampling.num_inference_steps - full) * (found.cached_step_s or 0.0)
        original_s = video_s if original_s is None else original_s
        cached = "-" if found.cached_step_s is None else f"{found.cached_step_s:.4f}"
        lines.append(
            f"| {row.name} | {found.full_step_s:.4f} | {cached} | {found.peak_bytes / 1e9:.2f} | "
            f"{original_s / video_s:.2f} | {cost.theoretical_speedup or float('nan'):.2f} |"
        )
        print(lines[-1], flush=True)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
