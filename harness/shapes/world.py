"""A procedural world of captioned clips: what the embedded model is trained on and judged against.

A `Scene` states everything a caption says; `render` draws one clip of it. Positions are free (drawn from a
seed), everything else is fixed by the caption. The vocabulary is chosen so that each fact can be read back
from pixels: objects are always coloured and backgrounds always gray, so chroma separates the two exactly,
and mixing along an antialiased edge keeps the object's hue.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

import torch
from torch import Tensor

HEIGHT: Final = 32
WIDTH: Final = 32
NUM_FRAMES: Final = 9

SHAPES: Final = ("circle", "square", "triangle")
COLORS: Final[dict[str, tuple[float, float, float]]] = {
    "red": (1.0, 0.0, 0.0),
    "yellow": (1.0, 1.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "cyan": (0.0, 1.0, 1.0),
    "blue": (0.0, 0.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
}
MOTIONS: Final[dict[str, tuple[int, int]]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
SPEEDS: Final[dict[str, float]] = {"slowly": 4.0, "quickly": 10.0}
"""Pixels travelled from the first frame to the last."""
SIZES: Final[dict[str, float]] = {"small": 8.0, "large": 13.0}
"""Side of the bounding box of a single object, pixels."""
PAIR_SIZE: Final = 9.0
"""Side of the bounding box of each object of a pair, pixels."""
RELATIONS: Final = ("left of", "above")
BACKGROUNDS: Final[dict[str, tuple[float, float]]] = {
    "black": (0.0, 0.0),
    "gray": (0.5, 0.5),
    "white": (1.0, 1.0),
    "horizon": (0.8, 0.2),
}
"""Brightness of the upper and of the lower half."""
STYLES: Final = ("vivid", "pastel", "dark")
PASTEL_MIX: Final = 0.5
DARK_GAIN: Final = 0.45


@dataclass(frozen=True)
class Thing:
    """One object: its shape and its colour."""

    shape: str
    color: str


@dataclass(frozen=True)
class Scene:
    """Everything a caption states. One thing has a size, two things have a relation (first to second)."""

    things: tuple[Thing, ...]
    motion: str
    speed: str
    background: str
    style: str
    size: str | None = None
    relation: str | None = None

    @property
    def caption(self) -> str:
        """The one English sentence for this scene; `parse_caption` is its inverse."""
        first = self.things[0]
        if self.size is not None:
            subject = f"a {self.size} {first.color} {first.shape}"
        else:
            second = self.things[1]
            subject = f"a {first.color} {first.shape} {self.relation} a {second.color} {second.shape}"
        return f"{subject} moving {self.motion} {self.speed} on a {self.background} background in {self.style} style"


_TAIL = (
    rf"moving (?P<motion>{'|'.join(MOTIONS)}) (?P<speed>{'|'.join(SPEEDS)})"
    rf" on a (?P<background>{'|'.join(BACKGROUNDS)}) background in (?P<style>{'|'.join(STYLES)}) style"
)
_COLOR, _SHAPE = "|".join(COLORS), "|".join(SHAPES)
_SINGLE = re.compile(rf"a (?P<size>{'|'.join(SIZES)}) (?P<color>{_COLOR}) (?P<shape>{_SHAPE}) {_TAIL}")
_PAIR = re.compile(
    rf"a (?P<color>{_COLOR}) (?P<shape>{_SHAPE}) (?P<relation>{'|'.join(RELATIONS)})"
    rf" a (?P<color2>{_COLOR}) (?P<shape2>{_SHAPE}) {_TAIL}"
)


def parse_caption(caption: str) -> Scene:
    """The scene a caption states.

    Raises:
        ValueError: the sentence is not one of this world's.
    """
    match = _SINGLE.fullmatch(caption) or _PAIR.fullmatch(caption)
    if match is None:
        raise ValueError(
            f"prompt {caption!r} is not a sentence of the shapes world; write it like {next(all_scenes()).caption!r}"
        )
    part = match.groupdict()
    things = [Thing(part["shape"], part["color"])]
    if "shape2" in part:
        things.append(Thing(part["shape2"], part["color2"]))
    return Scene(
        things=tuple(things),
        motion=part["motion"],
        speed=part["speed"],
        background=part["background"],
        style=part["style"],
        size=part.get("size"),
        relation=part.get("relation"),
    )


def all_scenes() -> Iterator[Scene]:
    """Every scene of the world, singles first, in a fixed order.

    A pair shares its shape and names its colours in the order of `COLORS`: which colour belongs to which shape or
    place is what a small text encoder learns last, and with these pairs it need not.
    """
    tails = list(product(MOTIONS, SPEEDS, BACKGROUNDS, STYLES))
    for shape, color, size in product(SHAPES, COLORS, SIZES):
        for motion, speed, background, style in tails:
            yield Scene((Thing(shape, color),), motion, speed, background, style, size=size)
    for shape, (color, color2), relation in product(SHAPES, combinations(COLORS, 2), RELATIONS):
        for motion, speed, background, style in tails:
            things = (Thing(shape, color), Thing(shape, color2))
            yield Scene(things, motion, speed, background, style, relation=relation)


def is_held_out(scene: Scene) -> bool:
    """Whether training must never see this combination: one in ten, by a hash of the caption."""
    return hashlib.sha256(scene.caption.encode()).digest()[0] % 10 == 0


def thing_rgb(color: str, style: str) -> tuple[float, float, float]:
    """RGB in [0, 1] of a colour under a style."""
    rgb = COLORS[color]
    if style == "pastel":
        return tuple(PASTEL_MIX + (1 - PASTEL_MIX) * value for value in rgb)  # type: ignore[return-value]
    if style == "dark":
        return tuple(DARK_GAIN * value for value in rgb)  # type: ignore[return-value]
    return rgb


def coverage(shape: str, size: float, center_x: Tensor, center_y: Tensor, height: int, width: int) -> Tensor:
    """How much of each pixel a shape covers, in [0, 1].

    Args:
        shape: one of `SHAPES`.
        size: side of the bounding box, pixels.
        center_x: centre of the bounding box, any batch shape `(*N,)`, pixels.
        center_y: the same.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        `(*N, height, width)`; the distance to the edge, clipped to one pixel, so edges are antialiased.
    """
    x = torch.arange(width, dtype=torch.float32) + 0.5 - center_x[..., None, None]
    y = torch.arange(height, dtype=torch.float32)[:, None] + 0.5 - center_y[..., None, None]
    half = size / 2
    if shape == "circle":
        distance = (x * x + y * y).sqrt() - half
    elif shape == "square":
        distance = torch.maximum(x.abs(), y.abs()) - half
    elif shape == "triangle":
        # Apex on top, base as wide as the box: two slanted sides of slope 2 and the base.
        side = (2 * x.abs() - (y + half)) / 5**0.5
        distance = torch.maximum(side, y - half)
    else:
        raise ValueError(f"shape {shape!r} is not drawn here; one of {', '.join(SHAPES)}")
    return (0.5 - distance).clamp(0, 1)


def _centers(scene: Scene, generator: torch.Generator) -> tuple[list[tuple[float, float]], float]:
    """Start of each thing (centre of its box) such that the whole path stays in the picture, and the box side."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    step_x, step_y = MOTIONS[scene.motion]
    travel = SPEEDS[scene.speed]
    size = SIZES[scene.size] if scene.size is not None else PAIR_SIZE
    offset_x = offset_y = 0.0
    if scene.relation is not None:
        apart, aside = size + uniform(1.5, 3.0), uniform(-2.0, 2.0)
        offset_x, offset_y = (apart, aside) if scene.relation == "left of" else (aside, apart)
    low_x = max(0.0, -offset_x) + max(0.0, -step_x * travel) + size / 2
    low_y = max(0.0, -offset_y) + max(0.0, -step_y * travel) + size / 2
    high_x = WIDTH - size / 2 - max(0.0, offset_x) - max(0.0, step_x * travel)
    high_y = HEIGHT - size / 2 - max(0.0, offset_y) - max(0.0, step_y * travel)
    x, y = uniform(low_x, max(low_x, high_x)), uniform(low_y, max(low_y, high_y))
    return [(x, y), (x + offset_x, y + offset_y)][: len(scene.things)], size


def render(scene: Scene, seed: int) -> Tensor:
    """One clip of a scene.

    Args:
        scene: what the caption says.
        seed: decides the free positions.

    Returns:
        `(NUM_FRAMES, 3, HEIGHT, WIDTH)`, RGB in [0, 1].
    """
    centers, size = _centers(scene, torch.Generator().manual_seed(seed))
    top, bottom = BACKGROUNDS[scene.background]
    frames = torch.full((NUM_FRAMES, 3, HEIGHT, WIDTH), top)
    frames[:, :, HEIGHT // 2 :] = bottom
    step_x, step_y = MOTIONS[scene.motion]
    moved = torch.linspace(0, SPEEDS[scene.speed], NUM_FRAMES)
    for thing, (x, y) in zip(scene.things, centers, strict=True):
        alpha = coverage(thing.shape, size, x + step_x * moved, y + step_y * moved, HEIGHT, WIDTH)[:, None]
        rgb = torch.tensor(thing_rgb(thing.color, scene.style))[None, :, None, None]
        frames = frames * (1 - alpha) + rgb * alpha
    return frames


def sample_scene(generator: torch.Generator) -> Scene:
    """A scene seen in training: four times in five a pair, which is harder; each attribute uniform."""

    def pick(names: tuple[str, ...]) -> str:
        return names[int(torch.randint(len(names), (), generator=generator))]

    while True:
        pair = bool(torch.rand((), generator=generator) < 0.8)
        colors = torch.randperm(len(COLORS), generator=generator)[: 2 if pair else 1].sort().values.tolist()
        shape = pick(SHAPES)
        things = tuple(Thing(shape, tuple(COLORS)[index]) for index in colors)
        scene = Scene(
            things=things,
            motion=pick(tuple(MOTIONS)),
            speed=pick(tuple(SPEEDS)),
            background=pick(tuple(BACKGROUNDS)),
            style=pick(STYLES),
            size=None if pair else pick(tuple(SIZES)),
            relation=pick(RELATIONS) if pair else None,
        )
        if not is_held_out(scene):
            return scene
