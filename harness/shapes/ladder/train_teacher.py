"""Train the ladder's teacher from nothing: `python -m harness.shapes.ladder.train_teacher --work DIR --out DIR`.

A second call goes on from the last checkpoint in the work folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from harness.shapes.checkpoints import has_checkpoint
from harness.shapes.flow_matching import DenoiserTraining, Report, train_denoiser_on
from harness.shapes.ladder.latents import remembered_clips
from harness.shapes.ladder.model import FLOW_SHIFT, Teacher, build_pipeline, embedded_autoencoder
from harness.shapes.ladder.taught import remembered_examples
from harness.shapes.ladder.train_text import TextTraining, train_text_encoders
from harness.shapes.pipeline_folder import write_pipeline


@dataclass(frozen=True)
class TeacherTraining:
    """Clips rendered beforehand, noisy ones of them as the embedded model sees them, and the training on those.

    The text encoders are trained first, alone, and then again with the transformer.
    """

    clips: int = 40_000
    clip_seed: int = 1
    examples: int = 64_000
    example_seed: int = 2
    text: TextTraining = field(default_factory=TextTraining)
    denoiser: DenoiserTraining = field(
        default_factory=lambda: DenoiserTraining(
            steps=5000, batch_size=32, checkpoint_every=100, training_shift=FLOW_SHIFT, precision="float32"
        )
    )


def train_teacher(config: TeacherTraining, work: Path, report: Report | None = None) -> Teacher:
    """Train, or continue from `work`; returns the averaged weights."""
    clips = remembered_clips(work / "clips.safetensors", embedded_autoencoder(), config.clips, config.clip_seed)
    examples = remembered_examples(
        work / "examples",
        clips,
        config.examples,
        config.example_seed,
        config.denoiser.caption_dropout,
        config.denoiser.training_shift,
    )
    folder = work / "teacher"

    def start() -> Teacher:
        teacher = Teacher()
        if not has_checkpoint(folder):
            train_text_encoders(teacher, config.text)
        return teacher

    return train_denoiser_on(config.denoiser, start, examples.draw, folder, report)


def averaged_teacher(work: Path) -> tuple[Teacher, int]:
    """The averaged weights of the last checkpoint in `work`, and the steps they have been trained.

    Raises:
        FileNotFoundError: nothing has been trained there.
    """
    state = torch.load(work / "teacher" / "checkpoint.pt", weights_only=True, map_location="cpu")
    teacher = Teacher()
    teacher.load_state_dict(state["averaged"])
    return teacher, int(state["step"])


def save_teacher(teacher: Teacher, training: TeacherTraining, steps_done: int, out: Path) -> None:
    """Write the teacher as a `HunyuanVideoPipeline` folder in float16, with `training.json` beside it."""
    write_pipeline(build_pipeline(teacher, embedded_autoencoder()), out)
    said = {**asdict(training), "steps_done": steps_done}
    (out / "training.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    default = TeacherTraining()
    parser = argparse.ArgumentParser(description="Train the embedded ladder's teacher; resumable.")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints, rendered clips and log.tsv")
    parser.add_argument("--out", type=Path, help="folder of the finished pipeline; WORK/pipeline if not given")
    parser.add_argument("--steps", type=int, default=default.denoiser.steps)
    parser.add_argument("--batch-size", type=int, default=default.denoiser.batch_size)
    parser.add_argument("--checkpoint-every", type=int, default=default.denoiser.checkpoint_every, help="steps")
    parser.add_argument("--clips", type=int, default=default.clips, help="rendered beforehand, about 2 ms each")
    parser.add_argument("--export-only", action="store_true", help="write the last checkpoint's average, train nothing")
    given = parser.parse_args(arguments)
    denoiser = replace(
        default.denoiser, steps=given.steps, batch_size=given.batch_size, checkpoint_every=given.checkpoint_every
    )
    config = replace(default, clips=given.clips, denoiser=denoiser)
    out = given.out or given.work / "pipeline"
    said: list[tuple[int, float]] = [(0, 0.0)]

    def report(done: int, spent_s: float, loss: float) -> None:
        earlier_done, earlier_s = said[-1]
        said.append((done, spent_s))
        step_s = (spent_s - earlier_s) / (done - earlier_done)
        left_min = step_s * (config.denoiser.steps - done) / 60
        print(f"step {done}  loss {loss:.4f}  {1000 * step_s:.0f} ms a step  {left_min:.0f} min left", flush=True)

    if given.export_only:
        teacher, done = averaged_teacher(given.work)
    else:
        teacher, done = train_teacher(config, given.work, report), config.denoiser.steps
    save_teacher(teacher, config, done, out)
    print(f"teacher: {out}")


if __name__ == "__main__":
    main()
