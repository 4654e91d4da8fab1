"""Frames of one prompt under every method, one line per method, read from the videos people can play."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from harness.errors import StoreError
from harness.records import RowManifest
from reports.figures import Drawn
from reports.figures.style import file_name, new_figure, save
from reports.results import Results
from reports.source import RecordSource

TITLE = "Frames"
POSITION = 7

COLUMNS: Final = 6
STRIP_HEIGHT: Final = 128
"""Pixels; small videos are enlarged by whole factors up to about this, so that their pixels stay sharp."""
IMAGE_WIDTH_IN: Final = 6.2
LETTER_IN: Final = 0.075
"""Width to allow for one letter of a row's name."""

Frames = npt.NDArray[np.uint8]


def read_frames(source: RecordSource, path: str, count: int) -> Frames:
    """`count` frames spread evenly from first to last (all of them in a shorter video): uint8 (T, H, W, 3) RGB.

    Raises StoreError for a file that is absent or is not a video.
    """
    try:
        with source.open(path, "rb") as file, av.open(file, "r") as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise StoreError(f"video {path!r} cannot be read ({error}); remove it and run its cell again") from error
    if not frames:
        raise StoreError(f"video {path!r} holds no frames; remove it and run its cell again")
    chosen = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return np.stack([frames[index] for index in chosen]).astype(np.uint8)


def strip(frames: Frames) -> Frames:
    """The frames side by side with a thin white gap, as one image (H, W, 3)."""
    factor = max(1, STRIP_HEIGHT // frames.shape[1])
    large = frames.repeat(factor, axis=1).repeat(factor, axis=2)
    gap = np.full((large.shape[1], 4, 3), 255, np.uint8)
    pieces = [piece for frame in large for piece in (frame, gap)]
    return np.concatenate(pieces[:-1], axis=1)


def draw(results: Results, source: RecordSource, folder: Path) -> list[Drawn]:
    """The first prompt whose first sample most rows have; one figure per model."""
    models = results.compared()
    drawn = []
    for model, rows in models.items():
        prompt = _prompt(results, rows)
        strips, unreadable = _strips(results, source, rows, prompt) if prompt is not None else ({}, [])
        if prompt is None or not strips:
            drawn.append(Drawn(f"{model}: no video to show.{_sorry(unreadable)}"))
            continue
        name = file_name("frames", model, len(models) == 1)
        text = results.manifest.prompts[prompt]
        path = _figure(strips, text, folder, name)
        caption = f'{model}: prompt "{text}", the same sample under every method; time runs to the right.'
        drawn.append(Drawn(caption + _sorry(unreadable), path))
    return drawn


def shown_videos(results: Results) -> list[str]:
    """Paths of the videos that the figure is made of, below the store's root."""
    videos = []
    for rows in results.compared().values():
        prompt = _prompt(results, rows)
        if prompt is not None:
            videos += [video for row in rows for video in _videos(results, row, prompt)]
    return videos


def _prompt(results: Results, rows: list[RowManifest]) -> int | None:
    names = {row.row for row in rows}
    cells = results.cells
    shown = cells[cells["row"].isin(names) & (cells["sample_index"] == 0) & cells["video"].notna()]
    if shown.empty:
        return None
    counts = shown.groupby("prompt_index").size()
    return int(counts[counts == counts.max()].index.min())


def _strips(
    results: Results, source: RecordSource, rows: list[RowManifest], prompt: int
) -> tuple[dict[str, Frames], list[str]]:
    strips: dict[str, Frames] = {}
    unreadable: list[str] = []
    for row in rows:
        for video in _videos(results, row, prompt):
            try:
                strips[row.row] = strip(read_frames(source, video, COLUMNS))
            except StoreError:
                unreadable.append(row.row)
    return strips, unreadable


def _videos(results: Results, row: RowManifest, prompt: int) -> list[str]:
    """The first sample's, as far as it is there."""
    cells = results.cells
    here = (cells["row"] == row.row) & (cells["prompt_index"] == prompt) & (cells["sample_index"] == 0)
    return [str(video) for video in cells.loc[here, "video"].dropna()]


def _sorry(unreadable: list[str]) -> str:
    return f" The videos of {', '.join(unreadable)} could not be read." if unreadable else ""


def _figure(strips: dict[str, Frames], prompt: str, folder: Path, name: str) -> Path:
    height, width = next(iter(strips.values())).shape[:2]
    label = 0.2 + LETTER_IN * max(map(len, strips))
    line = IMAGE_WIDTH_IN * height / width
    top, gap = 0.36, 0.07
    figure_width, figure_height = label + IMAGE_WIDTH_IN + 0.1, top + len(strips) * (line + gap)
    figure = new_figure(figure_width, figure_height)
    figure.set_layout_engine("none")
    figure.text(0.1 / figure_width, 1 - 0.2 / figure_height, f'"{prompt}"', fontsize=9, va="center")
    for index, (row, image) in enumerate(strips.items()):
        bottom = figure_height - top - (index + 1) * line - index * gap
        axes = figure.add_axes(
            (label / figure_width, bottom / figure_height, IMAGE_WIDTH_IN / figure_width, line / figure_height)
        )
        axes.imshow(image, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        middle = (bottom + line / 2) / figure_height
        figure.text((label - 0.1) / figure_width, middle, row, fontsize=8, ha="right", va="center")
    return save(figure, folder, name)
