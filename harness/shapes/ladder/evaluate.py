"""How good the ladder's teacher is: `python -m harness.shapes.ladder.evaluate FOLDER`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from harness.shapes.evaluate import score_samples
from harness.shapes.ladder.model import SAMPLING
from harness.shapes.prompts import held_out_prompts
from methods.families.hunyuan_video import HunyuanVideo

GUIDED = {
    "true_cfg_scale": SAMPLING.true_cfg_scale,
    "guidance_scale": SAMPLING.guidance_scale,
    "max_sequence_length": SAMPLING.max_sequence_length,
}
"""What the call of `HunyuanVideoPipeline` takes beside what every embedded pipeline's does."""


def evaluate_teacher(folder: Path, prompts: int, steps: Sequence[int]) -> dict[int, dict[str, float]]:
    """Percent of each dimension by step count, over held-out captions: `{50: {dimension: percent}}`."""
    pipeline = HunyuanVideo().load(str(folder), revision=None, dtype="float32", device="cpu")
    captions = held_out_prompts(prompts)
    return {count: score_samples(pipeline, captions, count, GUIDED) for count in steps}


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Score the embedded ladder's teacher with the shapes judge.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 20, 10])
    given = parser.parse_args(arguments)
    print(json.dumps(evaluate_teacher(given.folder, given.prompts, given.steps), indent=2))


if __name__ == "__main__":
    main()
