"""The shapes judge: scores a video of the procedural world by colour segmentation and geometry.

It sees the frames and the caption, never the seed or the world's state. Names are VBench's; the numbers are not
VBench's and are always labelled `shapes`. A semantic dimension that the caption says nothing about is None
(`multiple_objects` of a single object, `color` of a pair, as in VBench's own prompt lists).

What makes reading possible: backgrounds are gray, so `chroma = max(RGB) - min(RGB)` is zero there, and inside and
on the antialiased edge of an object it is the object's own chroma times its coverage, while the hue stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from harness.dimensions import QUALITY, SEMANTIC
from harness.metrics.base import Frames, Metric
from harness.shapes.world import (
    BACKGROUNDS,
    COLORS,
    HEIGHT,
    MOTIONS,
    SHAPES,
    SIZES,
    SPEEDS,
    STYLES,
    WIDTH,
    Scene,
    Thing,
    coverage,
    parse_caption,
    thing_rgb,
)

MIN_CHROMA = 0.18
"""Below this a pixel is background; the palest object has a chroma of 0.45."""
MIN_AREA = 12.0
"""Covered pixels an object needs; the smallest, a small triangle, covers 32."""
MIN_OVERLAP = 0.70
"""Intersection over union with the best template below which a blob has no recognisable shape."""
SIZE_FACTORS = (0.92, 1.0, 1.08)
MIN_BACKGROUND = 0.5
"""Share of pixels outside all objects below which colour is everywhere, and the whole picture is background."""
MIN_FRAMES = 3
"""Fewer show no motion that could be told from chance."""
MIN_PATH = 1.5
"""Pixels of travel below which nothing moves."""
SPEED_BORDER = sum(SPEEDS.values()) / 2
SIZE_BORDER = sum(SIZES.values()) / 2

Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Blob:
    """One object found in one frame: positions and sizes in pixels, chroma and value in [0, 1]."""

    shape: str | None
    color: str
    x: float
    y: float
    size: float
    area: float
    chroma: float
    value: float
    overlap: float


@cache
def _template(shape: str, size_tenths: int) -> tuple[Plane, float, float]:
    """A shape in the middle of a 32x32 picture, and the offset of its centroid from the middle."""
    middle = torch.tensor(16.0)
    plane = coverage(shape, size_tenths / 10, middle, middle, 32, 32).double().numpy()
    rows, columns = np.mgrid[0:32, 0:32] + 0.5
    area = plane.sum()
    return plane, float((plane * columns).sum() / area - 16), float((plane * rows).sum() / area - 16)


def _fill(shape: str) -> float:
    """Area over bounding-box area."""
    plane, _, _ = _template(shape, 130)
    return float(plane.sum()) / 169


def _best_shape(alpha: Plane, x: float, y: float, area: float) -> tuple[str | None, float, float]:
    """The world's shape that overlaps best with a coverage map, its size, and the overlap.

    Templates have the blob's own centroid; sizes around the one of equal area are tried, since blur widens edges.
    """
    best: tuple[str | None, float, float] = (None, 0.0, 0.0)
    for shape, factor in product(SHAPES, SIZE_FACTORS):
        size = max(4.0, min(24.0, (area / _fill(shape)) ** 0.5 * factor))
        plane, offset_x, offset_y = _template(shape, round(size * 10))
        moved = ndimage.shift(plane, (y - 16 - offset_y, x - 16 - offset_x), order=1)
        overlap = float(np.minimum(alpha, moved).sum() / np.maximum(alpha, moved).sum())
        if overlap > best[2]:
            best = (shape, size, overlap)
    return best if best[2] >= MIN_OVERLAP else (None, best[1], best[2])


def find_blobs(frame: Plane) -> list[Blob]:
    """The objects of one frame `(height, width, 3)` in [0, 1]; at most one per colour (a pair never shares one)."""
    high, low = frame.max(-1), frame.min(-1)
    chroma = high - low
    span = np.where(chroma > 0, chroma, 1.0)
    red, green, blue = ((frame[..., index] - low) / span for index in range(3))
    palette = np.array([COLORS[name] for name in COLORS])
    pure = np.stack([red, green, blue], -1)
    nearest = np.abs(pure[..., None, :] - palette).sum(-1).argmin(-1)
    rows, columns = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]] + 0.5
    blobs = []
    for index, color in enumerate(COLORS):
        labels, count = ndimage.label((nearest == index) & (chroma > MIN_CHROMA), structure=np.ones((3, 3)))
        if count == 0:
            continue
        weights = ndimage.sum_labels(chroma, labels, range(1, count + 1))
        region = labels == 1 + int(np.argmax(weights))
        core = float(np.percentile(chroma[region], 80))
        alpha = np.where(ndimage.binary_dilation(region), np.minimum(chroma / core, 1.0) * (nearest == index), 0.0)
        area = float(alpha.sum())
        if area < MIN_AREA:
            continue
        x, y = float((alpha * columns).sum() / area), float((alpha * rows).sum() / area)
        shape, size, overlap = _best_shape(alpha, x, y, area)
        value = float(np.median(high[region & (chroma >= 0.8 * core)]))
        blobs.append(Blob(shape, color, x, y, size, area, core, value, overlap))
    return blobs


def _style_of(blob: Blob) -> str:
    """The style whose chroma and value are nearest."""

    def distance(style: str) -> float:
        rgb = thing_rgb(blob.color, style)
        return abs(max(rgb) - min(rgb) - blob.chroma) + abs(max(rgb) - blob.value)

    return min(STYLES, key=distance)


def _background_of(frame: Plane) -> str | None:
    """The background whose two brightnesses are nearest to what lies outside all objects; None where nothing does."""
    chroma = frame.max(-1) - frame.min(-1)
    outside = ~ndimage.binary_dilation(chroma > MIN_CHROMA / 2, iterations=2)
    gray = frame.mean(-1)
    halves = []
    for half in (slice(None, frame.shape[0] // 2), slice(frame.shape[0] // 2, None)):
        visible = gray[half][outside[half]]
        if visible.size == 0:
            return None
        halves.append(float(np.median(visible)))
    return min(BACKGROUNDS, key=lambda name: sum(abs(a - b) for a, b in zip(BACKGROUNDS[name], halves, strict=True)))


def _path(track: list[tuple[int, float, float]]) -> tuple[float, float]:
    """Travel from first to last frame, x and y, pixels, by a least-squares line through the frames seen."""
    if len(track) < 3:
        return 0.0, 0.0
    index, x, y = (np.array(part, dtype=float) for part in zip(*track, strict=True))
    return float(np.polyfit(index, x, 1)[0]), float(np.polyfit(index, y, 1)[0])


def _share(hits: list[bool]) -> float:
    return float(np.mean(hits)) if hits else 0.0


class Shapes(Metric):
    """Nine semantic and seven quality dimensions in [0, 1] of a video whose prompt is a caption of the world.

    `object_class`, `multiple_objects`, `color`, `spatial_relationship`, `scene` and `appearance_style` are shares of
    frames; `human_action` (direction) and `temporal_style` (speed) are 0 or 1; `overall_consistency` is the share of
    all facts of the caption that hold, each object's shape and colour counting as one fact that must hold together.
    """

    values = SEMANTIC + QUALITY
    needs_reference = False

    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        scene = parse_caption(prompt)
        if len(frames) < MIN_FRAMES or frames.shape[1:] != (HEIGHT, WIDTH, 3):
            raise ValueError(
                f"video of shape {frames.shape}: the shapes judge reads {MIN_FRAMES} frames or more of"
                f" {HEIGHT}x{WIDTH} pixels; leave height and width of the sampling as they are"
            )
        video = frames.astype(np.float64) / 255
        blobs = [find_blobs(frame) for frame in video]
        return {**self._semantic(video, blobs, scene), **quality(video, blobs)}

    def _semantic(self, video: Plane, blobs: list[list[Blob]], scene: Scene) -> dict[str, float | None]:
        single = len(scene.things) == 1
        first = scene.things[0]
        classes = _share([_holds_all(found, [thing.shape for thing in scene.things]) for found in blobs])
        colored = _share([any(blob.color == first.color and blob.shape is not None for blob in f) for f in blobs])
        background = _share([_background_of(frame) == scene.background for frame in video])
        style = _share(
            [bool(found) and all(_style_of(blob) == scene.style for blob in _largest(found, scene)) for found in blobs]
        )
        path_x, path_y = _scene_path(blobs, scene)
        length = max(abs(path_x), abs(path_y))
        moving = length >= MIN_PATH
        direction = _direction(path_x, path_y) == scene.motion if moving else False
        speed = moving and (length > SPEED_BORDER) == (SPEEDS[scene.speed] > SPEED_BORDER)
        relation = None if single else _share([_relation_holds(found, scene) for found in blobs])
        facts = [
            *(_share([_has(found, thing) for found in blobs]) for thing in scene.things),
            float(direction), float(speed), background, style,
        ]  # fmt: skip
        if relation is not None:
            facts.append(relation)
        if scene.size is not None:
            large = scene.size == max(SIZES, key=lambda name: SIZES[name])
            sizes = [(blob.size > SIZE_BORDER) == large for found in blobs for blob in _largest(found, scene)]
            facts.append(_share(sizes))
        return {
            "object_class": classes if single else None,
            "multiple_objects": None if single else classes,
            "human_action": float(direction),
            "color": colored if single else None,
            "spatial_relationship": relation,
            "scene": background,
            "appearance_style": style,
            "temporal_style": float(speed),
            "overall_consistency": float(np.mean(facts)),
        }


def _largest(found: list[Blob], scene: Scene) -> list[Blob]:
    """As many of the largest blobs as the scene has things."""
    return sorted(found, key=lambda blob: -blob.area)[: len(scene.things)]


def _holds_all(found: list[Blob], shapes: list[str]) -> bool:
    """Whether the frame shows every shape asked for, as many times as asked."""
    seen = [blob.shape for blob in found]
    return all(seen.count(shape) >= shapes.count(shape) for shape in shapes)


def _has(found: list[Blob], thing: Thing) -> bool:
    return any(blob.color == thing.color and blob.shape == thing.shape for blob in found)


def _relation_holds(found: list[Blob], scene: Scene) -> bool:
    """First thing left of or above the second; the things are told apart by colour, the relation must dominate."""
    by_color = {blob.color: blob for blob in found}
    first, second = (by_color.get(thing.color) for thing in scene.things)
    if first is None or second is None:
        return False
    right, below = second.x - first.x, second.y - first.y
    return right > abs(below) if scene.relation == "left of" else below > abs(right)


def _direction(path_x: float, path_y: float) -> str:
    """The motion a path is nearest to."""
    return max(MOTIONS, key=lambda name: path_x * MOTIONS[name][0] + path_y * MOTIONS[name][1])


def _scene_path(blobs: list[list[Blob]], scene: Scene) -> tuple[float, float]:
    """Travel of the largest objects over the whole video, pixels; objects are followed by their colour."""
    per_color: dict[str, list[tuple[int, float, float]]] = {}
    for index, found in enumerate(blobs):
        for blob in _largest(found, scene):
            per_color.setdefault(blob.color, []).append((index, blob.x, blob.y))
    tracks = sorted(per_color.values(), key=len, reverse=True)[: len(scene.things)]
    if not tracks:
        return 0.0, 0.0
    paths = [_path(track) for track in tracks]
    intervals = len(blobs) - 1
    return (
        float(np.mean([x for x, _ in paths])) * intervals,
        float(np.mean([y for _, y in paths])) * intervals,
    )


def quality(video: Plane, blobs: list[list[Blob]]) -> dict[str, float | None]:
    """Seven dimensions in [0, 1] that need no caption; 1 is best. Formulas are this judge's own, named like VBench's.

    subject_consistency: how little the found objects' area and colour change from frame to frame.
    background_consistency: how little the pixels outside all objects change.
    temporal_flickering: one minus the mean absolute difference of successive frames (VBench's formula).
    motion_smoothness: one minus the objects' mean acceleration in pixels per frame squared, clipped.
    dynamic_degree: whether anything moves.
    aesthetic_quality: how closely the best templates overlap the objects (clean shapes).
    imaging_quality: how close pixels are to their 3x3 median (free of noise and speckle).
    """
    steps = np.abs(np.diff(video, axis=0))
    chroma = video.max(-1) - video.min(-1)
    moving = np.stack([ndimage.binary_dilation(plane > MIN_CHROMA / 2, iterations=2) for plane in chroma])
    still = ~(moving[1:] | moving[:-1])
    if still.mean() < MIN_BACKGROUND:
        still[:] = True
    background_change = float(steps.mean(-1)[still].mean())
    median = ndimage.median_filter(video, size=(1, 3, 3, 1))
    found = [blob for frame in blobs for blob in frame]
    tracks: dict[str, list[Blob]] = {}
    for frame in blobs:
        for blob in frame:
            tracks.setdefault(blob.color, []).append(blob)
    long = [track for track in tracks.values() if len(track) >= 3]
    velocity = [np.diff([(blob.x, blob.y) for blob in track], axis=0) for track in long]
    speed = float(np.mean([np.linalg.norm(part, axis=1).mean() for part in velocity])) if long else 0.0
    jerk = float(np.mean([np.linalg.norm(np.diff(part, axis=0), axis=1).mean() for part in velocity])) if long else 1.0
    seen = sum(len(track) for track in tracks.values()) / (len(blobs) * len(tracks)) if tracks else 0.0
    areas = [np.array([blob.area for blob in track]) for track in long]
    wobble = float(np.mean([area.std() / area.mean() for area in areas])) if long else 1.0
    travel = speed * (len(video) - 1)
    return {
        "subject_consistency": max(0.0, 1 - wobble) * seen,
        "background_consistency": 1 - background_change,
        "temporal_flickering": 1 - float(steps.mean()),
        "motion_smoothness": max(0.0, 1 - jerk),
        "dynamic_degree": float(travel >= MIN_PATH),
        "aesthetic_quality": float(np.mean([blob.overlap for blob in found])) if found else 0.0,
        "imaging_quality": 1 - float(np.abs(video - median).mean()),
    }
