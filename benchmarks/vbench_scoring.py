"""Scores one folder of videos with the harness and with `VBench.evaluate`: the same digits, in what time?

Both load the same weights. Prints a table of seconds, and whether every score is the same to the last digit; exit code
1 if one is not. Without VBench's real weights give a folder of random ones, which `vbench_random_weights.py` writes:

    python benchmarks/vbench_scoring.py --weights FOLDER [--videos 4] [--frames 17] [--size 128x192] [--device cuda:0]

A busy machine says little in seconds of the wall; seconds of the processor are told too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from scipy import ndimage

sys.path[0] = str(Path(__file__).parents[1])

from harness.dimensions import QUALITY
from harness.vbench.aggregators import FRAMEWISE, aggregate
from harness.vbench.found import Answer
from harness.vbench.outcomes import Reached, VideoOutcome
from harness.vbench.own_scorer import OWN_DIMENSIONS, OwnScorer
from harness.vbench.scorer_process import ScorerProcess
from harness.vbench.scoring import GROUPS
from harness.vbench.scoring_environment import scoring_python
from harness.video import write_mp4

PROMPTS = ("a person is dancing", "a red car", "a still life", "a horse")
STYLE = "oil painting"
WITH_RANDOM_WEIGHTS = (
    *QUALITY,
    "human_action",
    "appearance_style",
    "temporal_style",
    "overall_consistency",
)
"""GRiT's four need detectron2, and `scene` BERT: neither is in a package or file that could be made here."""


@dataclass(frozen=True)
class Timed:
    """What one side needed for some dimensions, their models' loading included."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Side:
    """One side's aggregates and scores by name of the video, by dimension."""

    aggregates: dict[str, float]
    videos: dict[str, dict[str, float]]
    timed: dict[tuple[str, ...], Timed]


def make_videos(folder: Path, count: int, frames: int, height: int, width: int) -> list[str]:
    """Moving blobs, one video of each prompt and then the next sample; their names without the ending."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = []
    for number in range(count):
        video = ndimage.gaussian_filter(generator.random((frames, height, width, 3)), (1, 3, 3, 0))
        video = (255 * (video - video.min()) / np.ptp(video)).astype(np.uint8)
        for index in range(frames):
            video[index, 5:25, 3 + 3 * index : 23 + 3 * index] = (200, 30, 30)
        names.append(f"{PROMPTS[number % len(PROMPTS)]}-{number // len(PROMPTS)}")
        write_mp4(video, folder / f"{names[-1]}.mp4", 8)
    return names


def write_full_info(path: Path, names: Sequence[str], dimensions: Sequence[str]) -> list[str]:
    """VBench's list for these videos; its prompts in order."""
    prompts = list(dict.fromkeys(name.rpartition("-")[0] for name in names))
    says = {"appearance_style": {"appearance_style": STYLE}}
    entries = [{"prompt_en": prompt, "dimension": list(dimensions), "auxiliary_info": says} for prompt in prompts]
    path.write_text(json.dumps(entries))
    return prompts


def by_vbench(device: str, folder: Path, info: Path, out: Path, dimensions: Sequence[str]) -> Side:
    """Run VBench's own code in its environment."""
    script = Path(__file__).with_name("vbench_evaluate.py")
    command = [str(scoring_python()), str(script), device, str(folder), str(info), str(out), *dimensions]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(command, check=True, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = json.loads((out / "found.json").read_text())
    return Side(
        {name: one["aggregate"] for name, one in found.items()},
        {name: {video: float(value) for video, value in one["videos"].items()} for name, one in found.items()},
        {(name,): Timed(one["seconds"], one["cpu_seconds"]) for name, one in found.items()},
    )


def by_harness(device: str, folder: Path, prompts: Sequence[str], dimensions: Sequence[str]) -> Side:
    """Score group by group, as `harness score` does on one device."""
    side = Side({}, {}, {})
    videos = [path for prompt in prompts for path in sorted(folder.glob(f"{prompt}-*.mp4"))]
    for group in GROUPS:
        asked = tuple(name for name in group if name in dimensions)
        if asked:
            answers = _timed(device, asked, videos, side)
            for name in asked:
                outcomes = [_outcome(path, name, answer) for path, answer in zip(videos, answers, strict=True)]
                side.videos[name] = {path.name: one.value or 0.0 for path, one in zip(videos, outcomes, strict=True)}
                value = aggregate("vbench-single", name, outcomes)
                assert isinstance(value, float), f"{name}: {value}"
                side.aggregates[name] = value
    return side


def _timed(device: str, asked: tuple[str, ...], videos: Sequence[Path], side: Side) -> list[Answer]:
    began, began_cpu = time.perf_counter(), time.process_time()
    own = asked == OWN_DIMENSIONS
    scorer = OwnScorer() if own else ScorerProcess(scoring_python(), asked, device)
    try:
        says = {name: {"appearance_style": STYLE} if name == "appearance_style" else None for name in asked}
        answers = [scorer.score(path, path.stem.rpartition("-")[0], says) for path in videos]
        cpu = time.process_time() - began_cpu
        if isinstance(scorer, ScorerProcess):
            used = psutil.Process(scorer._process.pid).cpu_times()
            cpu = used.user + used.system
        side.timed[asked] = Timed(time.perf_counter() - began, cpu)
    finally:
        scorer.close()
    return answers


def _outcome(path: Path, dimension: str, answer: Answer) -> VideoOutcome:
    prompt, _, sample = path.stem.rpartition("-")
    found = answer.found[dimension]
    assert found.value is not None, f"{dimension}, {path.name}: {found.reason}"
    frames = found.frame_values if dimension in FRAMEWISE else ()
    return VideoOutcome(prompt, int(sample), Reached.SCORED, value=found.value, frame_values=frames)


def differing(ours: Side, theirs: Side, dimension: str) -> list[str]:
    """The videos, and `all` for the aggregate, whose digits differ."""
    found = [name for name, value in theirs.videos[dimension].items() if ours.videos[dimension].get(name) != value]
    return found if ours.aggregates[dimension] == theirs.aggregates[dimension] else [*found, "all"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="folder that VBench's weights and torch's lie in")
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--size", default="128x192", help="height and width")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dimension", action="append", choices=WITH_RANDOM_WEIGHTS)
    given = parser.parse_args()
    if given.weights is not None:
        os.environ |= {"VBENCH_CACHE_DIR": str(given.weights), "TORCH_HOME": str(given.weights)}
    dimensions = given.dimension or WITH_RANDOM_WEIGHTS
    height, width = (int(side) for side in given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        videos, info = Path(folder, "videos"), Path(folder, "info.json")
        names = make_videos(videos, given.videos, given.frames, height, width)
        prompts = write_full_info(info, names, dimensions)
        theirs = by_vbench(given.device, videos, info, Path(folder, "out"), dimensions)
        ours = by_harness(given.device, videos, prompts, dimensions)
    print(f"{given.videos} videos of {given.frames} frames, {height}x{width}; seconds of the processor (of the wall)\n")
    print("| dimensions | `VBench.evaluate` | harness | ratio | same digits |\n| --- | --: | --: | --: | --- |")
    totals = {"theirs": 0.0, "ours": 0.0}
    wrong = False
    for asked, mine in ours.timed.items():
        other = [theirs.timed[(name,)] for name in asked]
        cpu, wall = sum(one.cpu_seconds for one in other), sum(one.seconds for one in other)
        off = {name: differing(ours, theirs, name) for name in asked}
        bad = [f"{name} not ({', '.join(videos)})" for name, videos in off.items() if videos]
        wrong |= bool(bad)
        totals["theirs"] += cpu
        totals["ours"] += mine.cpu_seconds
        row = (f"{cpu:.1f} ({wall:.1f})", f"{mine.cpu_seconds:.1f} ({mine.seconds:.1f})")
        print(f"| {', '.join(asked)} | {' | '.join(row)} | {cpu / mine.cpu_seconds:.2f} | {'; '.join(bad) or 'yes'} |")
    ratio = totals["theirs"] / totals["ours"]
    print(f"| all | {totals['theirs']:.1f} | {totals['ours']:.1f} | {ratio:.2f} | |")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
