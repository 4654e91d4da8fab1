"""The commands below `harness train`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.discovery import RUNGS, names
from harness.errors import ModelError, TrackingError

if TYPE_CHECKING:
    from harness.tracking_training import TrainedRung

train_app = typer.Typer(
    help="Train a rung of the distillation ladder on clips of yours, or what ships with the harness.",
    no_args_is_help=True,
)

Folders = Annotated[list[Path], typer.Argument(help="Folders of trained rungs", show_default=False)]
StoreOption = Annotated[str, typer.Option("--store", help="Results folder whose MLflow is meant")]


@train_app.command("shapes")
def train_shapes(
    out: Annotated[Path, typer.Option(help="Folder of the finished pipeline")] = Path("harness/shapes/model"),
    work: Annotated[Path, typer.Option(help="Checkpoints; a second call goes on there")] = Path("runs/train-shapes"),
    evaluate_only: Annotated[bool, typer.Option("--evaluate-only", help="Only score --out and write its card")] = False,
) -> None:
    """Train the embedded text-to-video model from nothing, about an hour on two idle cores, and write its card."""
    from harness.shapes.train import ShapesTraining, write_card
    from harness.shapes.train import train_shapes as train

    if evaluate_only:
        write_card(out)
    else:
        train(ShapesTraining(), work, out)
    print(f"model: {out}")


@train_app.command("ladder")
def train_ladder(
    work: Annotated[Path, typer.Option(help="Checkpoints; a second call goes on there")] = Path("runs/ladder"),
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to ship in, packed and with cards", show_default=False),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this rung, or `teacher`; repeatable", show_default=False)
    ] = None,
    evaluate_only: Annotated[
        bool, typer.Option("--evaluate-only", help="Only score --out and write its cards")
    ] = False,
) -> None:
    """Train the embedded ladder from nothing: a small HunyuanVideo, then every rung above it."""
    from harness.shapes.ladder.card import write_cards
    from harness.shapes.ladder.ship import ship_ladder
    from harness.shapes.ladder.train_ladder import train_ladder as train

    if evaluate_only and out is None:
        raise ModelError("--evaluate-only scores a shipped ladder; give its folder with --out")
    if not evaluate_only:
        for folder in train(work, only or (), lambda line: print(line, file=sys.stderr)):
            print(f"trained: {folder}")
        if out is not None:
            ship_ladder(work, out)
    if out is not None:
        for card in write_cards(out / "model", out / "rungs"):
            print(f"card: {card}")


@train_app.command("pack")
def pack(
    rung: Annotated[Path, typer.Argument(help="Folder of a rung as it was trained", show_default=False)],
    base: Annotated[str, typer.Option(help="Pipeline it runs on: a folder or a hub id", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write", show_default=False)],
) -> None:
    """Write a trained rung small: a student as 8-bit differences to its pipeline's transformer, others in float16."""
    from harness.training.pack import pack as pack_for

    storage = pack_for(rung, base, out).storage
    assert storage is not None
    print(f"rung: {out} ({storage.format}, off by {storage.rms_error:.2g} of {storage.rounded_rms:.2g})")


@train_app.command("track")
def track(folders: Folders, store: StoreOption = "runs") -> None:
    """Bring MLflow up to date with trained rungs: losses, hyper-parameters, lineage. Repeating it changes nothing."""
    _track(folders, store)


@train_app.command("curves")
def curves(
    folders: Folders,
    out: Annotated[Path, typer.Option(help="Folder to draw into", show_default=False)],
    store: StoreOption = "runs",
    keep: Annotated[
        Path | None, typer.Option(help="File to keep the losses in as well: docs/records/trainings.csv.gz")
    ] = None,
) -> None:
    """Draw the losses of tracked rungs from MLflow's history, and DisCa's figure 5 where a rung has one."""
    from harness.tracking_store import tracking_store
    from harness.tracking_training import training_curves
    from reports.training import draw_trainings, keep_trainings

    frame = training_curves([_trained(folder) for folder in folders], tracking_store(store))
    if keep is not None:
        keep_trainings(frame, keep)
    for drawn in draw_trainings(frame, out):
        print(f"figure: {drawn}")


def _rung_command(rung: str) -> Callable[..., None]:
    def command(
        config: Annotated[Path, typer.Argument(help="Configuration of the training, a YAML file", show_default=False)],
        store: StoreOption = "runs",
        track: Annotated[bool, typer.Option(help="Bring MLflow up to date afterwards")] = True,
    ) -> None:
        _train(rung, config, store if track else None)

    return command


for _rung in names(RUNGS):
    train_app.command(_rung, help=f"Train the rung {_rung}, or go on where its folder stopped.")(_rung_command(_rung))


def _train(rung: str, config: Path, store: str | None) -> None:
    from harness.training.config import RungTrainingError, load_training
    from harness.training.run import train_rung
    from methods.training.loop import once

    training = load_training(config)
    if training.file.rung != rung:
        raise RungTrainingError(
            f"{training.where('rung')}: is {training.file.rung}; say `harness train {training.file.rung} {config}`"
        )
    try:
        trained = train_rung(training)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from the last checkpoint in {training.file.out}", file=sys.stderr)
        raise typer.Exit(130) from None
    print(f"rung: {training.out}" + ("" if trained else " (was trained already)"))
    if store is not None:
        once(training.loop, lambda: _track_or_warn(training.out, store))


def _track_or_warn(folder: Path, store: str) -> None:
    """A failure is a warning: nothing is lost, and it can be repeated."""
    try:
        _track([folder], store)
    except TrackingError as error:
        print(f"warning: {error}", file=sys.stderr)


def _track(folders: list[Path], store: str) -> None:
    from harness.tracking_store import tracking_store
    from harness.tracking_training import track_trainings

    where = tracking_store(store)
    tracked = track_trainings([_trained(folder) for folder in folders], where)
    if not where.is_server:
        print(f"MLflow UI: harness ui --store {store}")
    print(f"losses:    {tracked.ui_link}")


def _trained(folder: Path) -> TrainedRung:
    """A rung's folder as it is tracked."""
    from harness.tracking_training import TrainedRung
    from harness.training.run import CHECKPOINTS
    from methods.students.rung import RungError, read_any_card
    from methods.training.history import read_history

    try:
        card = read_any_card(folder)
    except (RungError, ValueError) as error:
        raise ModelError(str(error)) from None
    if not card.weights_sha256:
        raise ModelError(f"{folder} holds the card of weights that are not there; give the folder of a trained rung")
    return TrainedRung(
        name=folder.resolve().name,
        kind=card.kind,
        family=card.family,
        sha256=card.weights_sha256,
        parent_sha256=card.parent,
        config=card.config,
        provenance=card.provenance,
        history=read_history(folder / CHECKPOINTS),
    )
