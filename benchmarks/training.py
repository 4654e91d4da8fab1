"""What a training step of each rung costs in seconds and memory, and what the derivative of MeanFlow costs in it.

Rungs are trained for a few iterations each, by the very functions that train them for good, in turn (A B C A B C ...),
so that the machine's drift hits all alike; of each training the first iteration is left out. Weights and data are
random: neither time nor memory depends on them. Default is the embedded ladder's transformer:

    python benchmarks/training.py --rounds 5 --out docs/measurements/training.md
    python benchmarks/training.py --family wan --model Wan-AI/Wan2.1-T2V-1.3B-Diffusers --device auto

`tiny` is the family's tiny model, any other `--model` one of `Family.architectures()`, in its full size.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # run as a script, methods.py beside this file would be found as the package `methods`

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.discovery import load_family
from harness.environment import describe_environment
from harness.measure.memory import PeakMemory
from harness.shapes.ladder.model import SAMPLING, Teacher
from methods.base import Sampling
from methods.families.base import Family
from methods.students.conditioning import ConditioningConfig
from methods.students.random_rungs import write_random_student
from methods.students.student import Student, write_student
from methods.training.cfg_distillation import CfgDistillation, train_cfg_distillation
from methods.training.dcm import DcmTraining, train_dcm
from methods.training.derivative import derivative_along
from methods.training.disca_predictor import DiscaPredictorTraining, train_disca_predictor
from methods.training.flow import FlowBatch
from methods.training.loop import LoopConfig, Progress, device_of
from methods.training.meanflow import MeanFlowTraining, train_meanflow
from methods.training.restricted_meanflow import RestrictedMeanFlowTraining, train_restricted_meanflow

ITERATIONS = 4
"""Of each stage of a training; the first one is not counted."""
SHARE = 0.05
"""How far, relative to a weight's size, the derivative's student is from its start, where conditions count nothing."""

Train = Callable[..., Any]


@dataclass
class Found:
    """What was measured of one rung: seconds of steps by the modules that learn in them, and the most memory."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    peak_bytes: int = 0


def build(family: Family, model: str) -> tuple[nn.Module, Sampling]:
    """A transformer with random weights in float32, on the CPU, and how its videos are sampled."""
    torch.manual_seed(0)
    if model == "ladder":
        transformer = Teacher().transformer
        transformer.set_attention_backend("_native_math")  # as the ladder is trained
        return transformer.eval(), SAMPLING
    if model == "tiny":
        return family.transformer(family.tiny(0)), family.tiny_sampling()
    empty: Any = family.empty_transformer(family.architectures()[model])
    return type(empty).from_config(empty.config).eval(), family.default_sampling


def random_batches(
    family: Family, transformer: nn.Module, sampling: Sampling, batch_size: int
) -> Callable[[torch.Generator], FlowBatch]:
    """Batches of the shapes the pipeline would make, the same with and without a prompt."""
    arguments = dict(family.transformer_calls(transformer, sampling)[0].arguments)
    latents = arguments.pop("hidden_states")
    del arguments["timestep"], arguments["return_dict"]
    said = {name: torch.randn(batch_size, *value.shape[1:]) for name, value in arguments.items() if name != "guidance"}
    for name in said.keys() & {"encoder_attention_mask"}:
        said[name] = torch.ones_like(said[name])
    if family.guidance_embedder(transformer) is not None:
        said["guidance"] = torch.full((batch_size,), 6000.0)
    return lambda generator: (torch.randn(batch_size, *latents.shape[1:], generator=generator), said, said)


def trainings(family: Family, transformer: nn.Module, folder: Path) -> dict[str, Train]:
    """The rungs by name, each as what remains to be told batches, loop, folder and report."""
    embedded = family.guidance_embedder(transformer) is not None
    distilled, student = folder / "cfg_distilled", folder / "student"
    beside = Student.beside(family, transformer, ConditioningConfig("native" if embedded else "added"))
    write_student(distilled, beside, kind="cfg_distilled", parent="", guidance_range=(1, 8), provenance={})
    write_random_student(student, family, transformer)
    cfg = CfgDistillation(teacher_guidance=6.0 if embedded else None)
    predictor = DiscaPredictorTraining(mse_iterations=ITERATIONS)
    found: dict[str, Train] = {
        "cfg_distilled": partial(train_cfg_distillation, family, transformer, config=cfg),
        "meanflow": partial(train_meanflow, family, transformer, distilled, config=MeanFlowTraining()),
        "restricted_meanflow": partial(
            train_restricted_meanflow, family, transformer, distilled, config=RestrictedMeanFlowTraining()
        ),
        "disca": partial(train_disca_predictor, family, transformer, student, config=predictor),
    }
    if family.detail_modules:
        # The embedded model has three latent frames.
        dcm = DcmTraining(semantic_iterations=ITERATIONS, coherence_frames=1)
        found["dcm"] = partial(train_dcm, family, transformer, config=dcm)
    return found


def measure(train: Train, found: Found, batches: Callable[[torch.Generator], FlowBatch], device: str) -> None:
    """Train for a few iterations into a folder that is thrown away, and add what was measured."""
    stages = 2 if isinstance(train.keywords["config"], DiscaPredictorTraining | DcmTraining) else 1
    loop = LoopConfig(iterations=stages * ITERATIONS, device=device, checkpoint_every=10**9)
    last: dict[str, float] = {}

    def report(progress: Progress) -> None:
        now, stage = time.perf_counter(), ", ".join(progress.gradient_norms)
        if stage in last:
            found.seconds[stage].append(now - last[stage])
        last[stage] = now

    memory = PeakMemory(str(device_of(loop)))
    with tempfile.TemporaryDirectory() as folder:
        memory.start()
        train(batches=batches, loop=loop, folder=Path(folder), report=report)
        found.peak_bytes = max(found.peak_bytes, memory.stop(0).peak_bytes)


def derivative_calls(
    family: Family, transformer: nn.Module, batch: FlowBatch, device: torch.device
) -> dict[str, Callable[[], object]]:
    """What a student is called for in a step of MeanFlow, and the same by the attention the derivative has to use."""
    student = Student.beside(family, transformer, ConditioningConfig("added", "sum")).to(device)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=SHARE)
    latents = batch[0].to(device)
    arguments = {name: value.to(device) for name, value in batch[1].items()}
    t, r = torch.full((len(latents),), 0.7, device=device), torch.full((len(latents),), 0.5, device=device)
    guidance = torch.full_like(t, 4.0)

    def forward() -> Tensor:
        return student(latents, t, arguments, r=r, guidance=guidance)

    def forward_alone() -> None:
        with torch.no_grad():
            forward()

    def forward_in_math() -> None:
        with sdpa_kernel(SDPBackend.MATH):
            forward_alone()

    def forward_backward() -> None:
        forward().square().mean().backward()
        student.zero_grad(set_to_none=True)

    def derivative() -> None:
        derivative_along(student, latents, t, latents, arguments, r=r, guidance=guidance)

    return {
        "forward": forward_alone,
        "forward, attention by plain products": forward_in_math,
        "forward and backward": forward_backward,
        "derivative (JVP)": derivative,
    }


def time_calls(calls: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each call, in turn; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(rounds + 1):
        for name, call in calls.items():
            if device.type == "cuda":
                torch.cuda.synchronize()
            started = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if index:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(seconds: list[float]) -> str:
    """The median, and the quarters around it."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def as_markdown(
    rungs: dict[str, Found], calls: dict[str, list[float]], said: str, device: torch.device, environment: dict[str, Any]
) -> str:
    """Both tables with what they were measured on."""
    instrument = "the allocator's peak" if device.type == "cuda" else "the rise of the resident set"
    lines = [
        "# What training a rung costs",
        "",
        f"`benchmarks/training.py`, {datetime.now(UTC).date().isoformat()}, {environment['device_name']}, "
        f"{torch.get_num_threads()} threads, {platform.system()}, torch {torch.__version__}; {said}. Seconds are "
        f"medians, with quartiles. Peak memory is {instrument} over a whole short training: all copies of the model, "
        "gradients, optimiser states and averages, but not the model that is there before.",
        "",
        "| rung | what learns | seconds a step | peak memory (MB) |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in rungs.items():
        for stage, seconds in found.seconds.items():
            lines.append(f"| {name} | {stage} | {spread(seconds)} | {found.peak_bytes / 1e6:.0f} |")
    forward = statistics.median(calls["forward"])
    both = statistics.median(calls["forward and backward"])
    lines += [
        "",
        "A step of MeanFlow calls its teacher once and its student twice: for the derivative, and with a gradient. One",
        "call of the student:",
        "",
        "| call | seconds | over a forward | over forward and backward |",
        "| --- | --- | --- | --- |",
    ]
    for name, seconds in calls.items():
        middle = statistics.median(seconds)
        lines.append(f"| {name} | {spread(seconds)} | {middle / forward:.2f} | {middle / both:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="hunyuan_video")
    parser.add_argument("--model", default="ladder", help="ladder, tiny, or a hub id of the family's architectures")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="short trainings of each rung, at least 2")
    parser.add_argument("--device", choices=("cpu", "auto"), default="cpu", help="auto is what accelerate finds")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    if options.model == "ladder" and options.family != "hunyuan_video":
        parser.error(f"the ladder is a hunyuan_video; give --model tiny or a hub id for {options.family}")
    if options.rounds < 2:
        parser.error(f"--rounds is {options.rounds}; give at least 2, quartiles need them")
    torch.set_num_threads(options.threads)
    family = load_family(options.family)
    transformer, sampling = build(family, options.model)
    batches = random_batches(family, transformer, sampling, options.batch_size)
    device = device_of(LoopConfig(1, device=options.device))
    rungs: dict[str, Found] = defaultdict(Found)
    with tempfile.TemporaryDirectory() as parents:
        ready = trainings(family, transformer, Path(parents))
        for number in range(options.rounds):
            for name, train in ready.items():
                measure(train, rungs[name], batches, options.device)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    drawn = batches(torch.Generator().manual_seed(0))
    calls = time_calls(derivative_calls(family, transformer, drawn, device), 4 * options.rounds, device)
    parameters = sum(parameter.numel() for parameter in transformer.parameters())
    shape = " x ".join(map(str, drawn[0].shape))
    said = (
        f"{options.family}, {options.model}, {parameters / 1e6:.1f} million parameters, latents of {shape}, float32, "
        f"{options.rounds} short trainings of each rung in turn"
    )
    text = as_markdown(rungs, calls, said, device, describe_environment(str(device)))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
