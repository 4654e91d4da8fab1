"""A folder of clips with captions, as datasets' video folders have it, and a clip at the size that is trained on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import StoreError
from harness.training.config import RungTrainingError
from harness.video import read_video
from methods.base import Sampling

METADATA = ("metadata.jsonl", "metadata.csv")
"""Files that say which clip has which caption, the first that is there."""
FILE_COLUMN = "file_name"
"""What huggingface/datasets calls a clip's path, relative to the metadata (its guide "Create a video dataset")."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A video file and what it shows; `where` is the line that says so."""

    path: Path
    caption: str
    where: str


def read_metadata(folder: Path, caption_column: str) -> tuple[Clip, ...]:
    """The clips of a folder, in the order of its metadata.

    Raises:
        RungTrainingError: there is no metadata or it is empty, a line lacks a column, or a clip is not there.
    """
    path = next((folder / name for name in METADATA if (folder / name).is_file()), None)
    if path is None:
        raise RungTrainingError(f"{folder} has no {' or '.join(METADATA)}; write one, a line for each clip")
    clips = tuple(_clip(path, line, found, caption_column) for line, found in _lines(path))
    if not clips:
        raise RungTrainingError(f"{path} names no clips; write a line for each")
    return clips


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Line number and columns of every clip."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                reader = csv.DictReader(file)
                for row in reader:
                    yield reader.line_num, row
            else:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield number, _json(line, f"{path}:{number}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise RungTrainingError(f"{path} cannot be read ({error}); save it as UTF-8 text") from None


def _json(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise RungTrainingError(f"{where}: {error.msg}; give one JSON object a line") from None


def _clip(path: Path, line: int, found: Any, caption_column: str) -> Clip:
    where = f"{path}:{line}"
    for column in (FILE_COLUMN, caption_column):
        if not isinstance(found, dict) or not isinstance(found.get(column), str):
            raise RungTrainingError(f"{where}: has no text {column!r}; add it, or set data.caption_column")
    clip = path.parent / found[FILE_COLUMN]
    if not clip.is_file():
        raise RungTrainingError(f"{where}: {found[FILE_COLUMN]!r} is not there; it is relative to {path.parent}")
    return Clip(clip, found[caption_column], where)


def read_clip(clip: Clip, sampling: Sampling) -> Tensor:
    """The first frames of a clip, `(1, 3, num_frames, height, width)` in [-1, 1].

    They are scaled, antialiased, to just cover the size, and what sticks out is cut off evenly.

    Raises:
        RungTrainingError: the file is no video or has too few frames.
    """
    try:
        frames = read_video(clip.path)
    except StoreError:
        raise RungTrainingError(f"{clip.where}: {clip.path.name} cannot be read as a video; remove its line") from None
    if len(frames) < sampling.num_frames:
        raise RungTrainingError(
            f"{clip.where}: {clip.path.name} has {len(frames)} frames, {sampling.num_frames} are trained on; remove "
            "its line or lower data.num_frames"
        )
    video = torch.from_numpy(frames[: sampling.num_frames]).permute(0, 3, 1, 2).float()
    height, width = video.shape[2:]
    scale = max(sampling.height / height, sampling.width / width)
    size = [max(sampling.height, round(height * scale)), max(sampling.width, round(width * scale))]
    video = nn.functional.interpolate(video, size, mode="bilinear", antialias=True)
    top, left = (size[0] - sampling.height) // 2, (size[1] - sampling.width) // 2
    video = video[:, :, top : top + sampling.height, left : left + sampling.width]
    return (video / 127.5 - 1).clamp(-1, 1).permute(1, 0, 2, 3)[None]
