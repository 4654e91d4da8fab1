"""The configuration of a rung's training: one YAML file, read as strictly as a suite.

Paths are relative to the file. Beside the keys of `TrainingFile` it has `settings`, the rung's hyper-parameters,
`loop`, how long and on what, and for most rungs `teacher` or `student`, the folder of the rung it is trained from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, create_model, field_validator

from harness.discovery import FAMILIES, RUNGS, load_plugin, names
from harness.errors import HarnessError, nearest
from harness.strict_yaml import YamlFile, explain, read_yaml, shown, where_in
from harness.suite_cost import StrictModel
from harness.training.dataclass_model import model_of_dataclass
from harness.training.rungs.base import TrainableRung
from methods.base import Sampling
from methods.families.base import Family
from methods.training.loop import LoopConfig

GUIDE = "docs/training.md"


class RungTrainingError(HarnessError):
    """The training of a rung is described wrongly, or cannot begin or go on."""


class ClipsEntry(StrictModel):
    """Clips with captions, and what is made of them; sizes and text are the family's published ones where left out."""

    folder: Annotated[str, Field(min_length=1)]
    """Holds the clips and `metadata.jsonl` or `metadata.csv`."""
    caption_column: Annotated[str, Field(min_length=1)] = "text"
    batch_size: Annotated[int, Field(ge=1)]
    """Clips a batch, on each device."""
    height: Annotated[int, Field(ge=8)] | None = None
    width: Annotated[int, Field(ge=8)] | None = None
    num_frames: Annotated[int, Field(ge=1)] | None = None
    max_sequence_length: Annotated[int, Field(ge=1)] | None = None
    negative_prompt: str | None = None
    """What the batches' second condition says."""
    guidance_scale: Annotated[float, Field(ge=0)] | None = None
    """What a transformer that embeds a guidance scale itself is told."""

    def sampling(self, family: Family) -> Sampling:
        """How a video of this size and text is sampled."""
        given = self.model_dump(exclude_none=True, exclude={"folder", "caption_column", "batch_size"})
        return replace(family.default_sampling, **given)


class TrainingFile(StrictModel):
    """What every rung's file has; `model` is a hub id, or a folder written `./...`, `../...` or absolute."""

    rung: str
    family: str
    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In what the model is loaded to encode clips and prompts; what is trained on is in float32 always."""
    data: ClipsEntry
    out: Annotated[str, Field(min_length=1)]
    """Folder of the rung, its checkpoints below `training/`. Encoded clips lie in `encoded/` beside it."""
    storage_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In what the rung's weights are written."""

    @field_validator("family")
    @classmethod
    def _known(cls, family: str) -> str:
        if family not in names(FAMILIES):
            raise ValueError(f"unknown family {family!r}{nearest(family, names(FAMILIES))}")
        return family


@dataclass(frozen=True)
class LoadedTraining:
    """A training with where it came from."""

    rung: TrainableRung
    file: TrainingFile
    settings: Any
    """Of the class `rung.settings`."""
    loop: LoopConfig
    parent: Path | None
    """Folder of the rung it is trained from."""
    yaml: YamlFile

    def where(self, *location: int | str) -> str:
        """`file:line: key` of a place in the file, to begin an error with."""
        return where_in(self.yaml.path, self.yaml.lines, location)

    def resolve(self, path: str) -> Path:
        """A path of the file, relative to its own folder."""
        return (self.yaml.path.parent / path).resolve()

    @property
    def out(self) -> Path:
        """Where the rung is written."""
        return self.resolve(self.file.out)


def load_rung(name: str) -> TrainableRung:
    """A rung by its name.

    Raises:
        RungTrainingError: no such rung; the message names the nearest one.
    """
    if name not in names(RUNGS):
        raise RungTrainingError(f"unknown rung {name!r}{nearest(name, names(RUNGS))}")
    return load_plugin(RUNGS, name, TrainableRung)()


def load_training(path: Path) -> LoadedTraining:
    """Read and check the configuration of a training.

    Raises:
        RungTrainingError: with one line for each thing that is wrong.
    """
    file = read_yaml(path, what="training", see=GUIDE, error=RungTrainingError)
    name = file.data.get("rung")
    if not isinstance(name, str):
        problem = f"give the name of a rung, not {shown(name)}" if "rung" in file.data else "is missing; add it"
        raise RungTrainingError(f"{where_in(path, file.lines, ('rung',))}: {problem}")
    try:
        rung = load_rung(name)
    except RungTrainingError as error:
        raise RungTrainingError(f"{where_in(path, file.lines, ('rung',))}: {error}") from None
    model = _file_model(rung)
    try:
        read: Any = model.model_validate(file.data)
    except ValidationError as error:
        raise RungTrainingError(explain(file, error.errors(include_url=False), model)) from None
    parent = getattr(read, rung.parent_key) if rung.parent_key is not None else None
    folder = (path.parent / parent).resolve() if parent is not None else None
    return LoadedTraining(rung, read, read.settings.made(), read.loop.made(), folder, file)


def _file_model(rung: TrainableRung) -> type[TrainingFile]:
    """The keys of a rung's file."""
    settings, parent_key = model_of_dataclass(rung.settings), rung.parent_key
    # Where all settings have defaults, none need be given.
    required = any(field.is_required() for field in settings.model_fields.values())
    own: dict[str, Any] = {"settings": (settings, ... if required else Field(default_factory=settings))}
    own["loop"] = (model_of_dataclass(LoopConfig), ...)
    if parent_key is not None:
        folder = Annotated[str, Field(min_length=1)]
        own[parent_key] = (folder | None, None) if rung.parent_optional else (folder, ...)
    return create_model("TrainingFile", __base__=TrainingFile, **own)
