"""Train the whole ladder from nothing: the teacher, then every rung; `harness train ladder`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import ModelError
from harness.shapes.ladder.latents import remembered_clips
from harness.shapes.ladder.model import embedded_autoencoder
from harness.shapes.ladder.rungs import RUNGS, LadderRung, load_teacher, train_rung
from harness.shapes.ladder.train_teacher import TeacherTraining, save_teacher, train_teacher
from methods.students.rung import CARD
from methods.training.loop import Progress

TEACHER = "teacher"
"""The name under which `only` asks for it."""

Say = Callable[[str], None]

_EVERY = 20
"""Iterations between two lines of progress."""


def train_ladder(work: Path, only: Sequence[str] = (), say: Say = print) -> tuple[Path, ...]:
    """Train, or continue, the teacher and all rungs, or `only` those named; what is finished is left alone.

    Returns the folders: `work/pipeline` and `work/rungs/<name>`.

    Raises:
        ModelError: a name is unknown, or its parent has not been trained.
    """
    known = (TEACHER, *(rung.name for rung in RUNGS))
    unknown = sorted(set(only) - set(known))
    if unknown:
        raise ModelError(f"rungs {', '.join(unknown)}: no such in the ladder; there are {', '.join(known)}")
    config, pipeline = TeacherTraining(), work / "pipeline"
    finished = [pipeline] if TEACHER in (only or known) else []
    if finished and not (pipeline / "training.json").exists():
        teacher = train_teacher(config, work, lambda done, spent_s, loss: _say_steps(say, config, done, spent_s, loss))
        save_teacher(teacher, config, config.denoiser.steps, pipeline)
    for rung in RUNGS:
        if rung.name in (only or known):
            finished.append(_finished_rung(rung, config, work, say))
    return tuple(finished)


def _finished_rung(rung: LadderRung, config: TeacherTraining, work: Path, say: Say) -> Path:
    folder, pipeline = work / "rungs", work / "pipeline"
    if (folder / rung.name / CARD).exists():
        return folder / rung.name
    if not (pipeline / "training.json").exists():
        raise ModelError(f"{pipeline}: the teacher is not trained; train it first (--only {TEACHER})")
    if rung.parent is not None and not (folder / rung.parent / CARD).exists():
        raise ModelError(f"{rung.name} needs {rung.parent}, which is not trained; train it first")
    clips = remembered_clips(work / "clips.safetensors", embedded_autoencoder(), config.clips, config.clip_seed)

    def report(progress: Progress) -> None:
        if progress.iteration % _EVERY == 0 or progress.iteration == progress.iterations:
            losses = "  ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
            say(f"{rung.name} {progress.iteration}/{progress.iterations}  {losses}  {progress.eta_s / 60:.0f} min left")

    train_rung(rung, load_teacher(pipeline), clips, folder, report)
    return folder / rung.name


def _say_steps(say: Say, config: TeacherTraining, done: int, spent_s: float, loss: float) -> None:
    left_min = spent_s / done * (config.denoiser.steps - done) / 60
    say(f"teacher {done}/{config.denoiser.steps}  loss {loss:.4f}  {left_min:.0f} min left")
