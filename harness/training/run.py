"""Trains one rung: model, clips, teacher, training and what is remembered of it, each checked before the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Final

import torch
from torch import nn

import harness.shapes.autoencoder  # noqa: F401  # diffusers loads only classes whose module is imported already
from harness.discovery import load_family
from harness.errors import ModelError, one_line
from harness.planning.models import folder_fingerprint
from harness.records import UNPINNED
from harness.training.clips import Clip, read_metadata
from harness.training.config import LoadedTraining, RungTrainingError
from harness.training.encoded import EncodedClips, inputs_hash
from harness.training.held import HeldTraining
from harness.training.progress import TrainingProgress
from harness.training.rungs.base import RungTask
from methods.base import MethodError, Sampling
from methods.families.base import Family
from methods.students.rung import CARD, read_card
from methods.training.history import History
from methods.training.loop import TrainingError, device_of, once

CHECKPOINTS: Final = "training"
"""Below the rung's folder: checkpoints, the history of the losses, and what identifies the training."""

_MAY_CHANGE: Final = ("iterations", "checkpoint_every", "device")
"""Of the loop: a training may be made longer, and go on elsewhere."""


def train_rung(training: LoadedTraining) -> bool:
    """Train a rung, or go on from the last checkpoint in its folder; False where nothing was left to do.

    The model's transformer is trained from in float32. Clips are encoded first, into `encoded/` beside the rung, which
    other rungs on the same clips share.

    Raises:
        RungTrainingError: clips, parent or model do not fit, the folder holds another training, or a loss diverges.
        ModelError: the model cannot be loaded.
    """
    file, folder = training.file, training.out
    family = load_family(file.family)
    sampling = file.data.sampling(family)
    parent = _checked_parent(training, family, sampling)
    clips = read_metadata(training.resolve(file.data.folder), file.data.caption_column)
    model, fingerprint = _model(training)
    inputs = inputs_hash(clips, sampling, family=family.name, model=fingerprint, dtype=file.dtype)
    encoded = EncodedClips(folder.parent / "encoded" / inputs, inputs, len(clips))
    identity = {
        "rung": file.rung,
        "family": family.name,
        "model_fingerprint": fingerprint,
        "parent": parent,
        "clips": inputs,
        "batch_size": file.data.batch_size,
        "settings": asdict(training.settings),
        "loop": {name: value for name, value in asdict(training.loop).items() if name not in _MAY_CHANGE},
        "storage_dtype": file.storage_dtype,
    }
    held = HeldTraining(folder / CHECKPOINTS, identity)
    _check_held(training, held)
    if (folder / CARD).is_file() and held.finished_iterations() == training.loop.iterations:
        return False
    once(training.loop, lambda: held.remember(finished_iterations=None))
    with _as_our_errors(training), TrainingProgress(file.rung) as progress:
        transformer = _encode_and_keep_transformer(training, model, family, encoded, clips, sampling, progress)
        task = RungTask(
            family=family,
            transformer=transformer,
            parent=training.parent,
            batches=encoded.batches(file.data.batch_size),
            settings=training.settings,
            loop=training.loop,
            folder=folder,
            report=History(folder / CHECKPOINTS, progress),
            dtype=getattr(torch, file.storage_dtype),
        )
        training.rung.train(task)
    once(training.loop, lambda: held.remember(finished_iterations=training.loop.iterations))
    return True


def _checked_parent(training: LoadedTraining, family: Family, sampling: Sampling) -> str | None:
    """The digest of the rung that is trained from, None for the model; all that can be refused at once is."""
    if family.untrainable is not None:
        raise RungTrainingError(f"{training.where('family')}: {family.name} cannot be trained: {family.untrainable}")
    misfit = training.rung.misfit(training.settings, sampling)
    if misfit is not None:
        raise RungTrainingError(f"{training.where('settings')}: {misfit}")
    if training.parent is None:
        return None
    try:
        return read_card(training.parent, kinds=training.rung.parent_kinds, family=family.name).weights_sha256
    except MethodError as error:
        raise RungTrainingError(f"{training.where(training.rung.parent_key or '')}: {error}") from None


def _check_held(training: LoadedTraining, held: HeldTraining) -> None:
    changed = held.changed()
    if changed:
        raise RungTrainingError(
            f"{training.where('out')}: {training.file.out!r} holds a training with other {', '.join(changed)}; give "
            "another folder, or remove that one"
        )


def _model(training: LoadedTraining) -> tuple[str, str]:
    """What is loaded, and what stands for its content."""
    model = training.file.model
    if not model.startswith((".", "/")):
        return model, f"{model}@{training.file.revision or UNPINNED}"
    folder = training.resolve(model)
    if not (folder / "model_index.json").is_file():
        raise RungTrainingError(
            f"{training.where('model')}: {model!r} is no pipeline folder (no model_index.json); give a folder made by "
            "save_pretrained or a hub id"
        )
    return str(folder), folder_fingerprint(folder)


@torch.no_grad()
def _encode_and_keep_transformer(
    training: LoadedTraining,
    model: str,
    family: Family,
    encoded: EncodedClips,
    clips: tuple[Clip, ...],
    sampling: Sampling,
    progress: TrainingProgress,
) -> nn.Module:
    """Load the model, encode what is missing, and let go of all but the transformer."""
    file, device = training.file, str(device_of(training.loop))
    try:
        pipeline = family.load(model, revision=file.revision, dtype=file.dtype, device=device)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"{training.where('model')}: {file.model!r} cannot be loaded: {one_line(error)}") from error
    once(training.loop, lambda: encoded.write(pipeline, family, clips, sampling, progress.encoding))
    # Trainings put on their device what they need there.
    return family.transformer(pipeline).float().cpu()


@contextmanager
def _as_our_errors(training: LoadedTraining) -> Iterator[None]:
    """Trainings raise errors of their own, and plain ones about values."""
    path = training.yaml.path
    try:
        yield
    except (TrainingError, MethodError, ValueError) as error:
        raise RungTrainingError(f"{path}: {' '.join(str(error).split())}") from error
    except torch.OutOfMemoryError as error:
        raise RungTrainingError(f"{path}: the device's memory does not suffice; lower data.batch_size") from error
