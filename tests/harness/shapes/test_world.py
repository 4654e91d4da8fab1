"""The procedural world: captions and scenes are one thing, and what a caption says is what is drawn."""

from __future__ import annotations

import itertools

import pytest
import torch

from harness.shapes import world
from harness.shapes.world import (
    COLORS,
    HEIGHT,
    NUM_FRAMES,
    SHAPES,
    SPEEDS,
    STYLES,
    WIDTH,
    Scene,
    Thing,
    all_scenes,
    coverage,
    is_held_out,
    parse_caption,
    render,
    sample_scene,
    thing_rgb,
)

SINGLE = Scene((Thing("circle", "red"),), "right", "quickly", "black", "vivid", size="small")


def some_scenes(step=101):
    return itertools.islice(all_scenes(), 0, None, step)


def test_parse_caption_is_the_inverse_of_caption_and_captions_are_unique():
    scenes = list(some_scenes(7))
    assert len(scenes) > 1000
    assert all(parse_caption(scene.caption) == scene for scene in scenes)
    assert len({scene.caption for scene in scenes}) == len(scenes)


def test_all_scenes_are_counted_by_the_vocabulary():
    tails = 4 * 2 * 4 * 3
    assert sum(1 for _ in all_scenes()) == (3 * 6 * 2 + 3 * 15 * 2) * tails


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a red circle",
        SINGLE.caption + " ",
        SINGLE.caption.replace("red", "pink"),
        SINGLE.caption.replace("small ", ""),
        SINGLE.caption.upper(),
    ],
)
def test_another_sentence_is_refused_with_an_example(caption):
    with pytest.raises(ValueError, match="is not a sentence of the shapes world; write it like 'a small red circle"):
        parse_caption(caption)


def test_a_tenth_is_held_out_and_never_sampled_for_training():
    share = sum(map(is_held_out, all_scenes())) / sum(1 for _ in all_scenes())
    assert 0.08 < share < 0.13  # 26 of 256 first bytes
    generator = torch.Generator().manual_seed(0)
    sampled = [sample_scene(generator) for _ in range(400)]
    assert not any(map(is_held_out, sampled))
    assert {len(scene.things) for scene in sampled} == {1, 2}
    assert {scene.style for scene in sampled} == set(STYLES)


def test_render_is_determined_by_scene_and_seed():
    first = render(SINGLE, 3)
    torch.manual_seed(99)
    assert torch.equal(render(SINGLE, 3), first)
    assert not torch.equal(render(SINGLE, 4), first)
    assert first.shape == (NUM_FRAMES, 3, HEIGHT, WIDTH)
    assert 0 <= first.min() <= first.max() <= 1


def test_objects_stay_wholly_inside_the_picture():
    """Measured in pixels, not by the formula that places them: an object cut off at the border covers less."""
    for index, scene in enumerate(some_scenes(1499)):
        centers, size = world._centers(scene, torch.Generator().manual_seed(index))
        step_x, step_y = world.MOTIONS[scene.motion]
        for thing, (x, y) in zip(scene.things, centers, strict=True):
            moved = torch.tensor([0.0, SPEEDS[scene.speed]])
            inside = coverage(thing.shape, size, x + step_x * moved, y + step_y * moved, HEIGHT, WIDTH).sum((1, 2))
            far = coverage(thing.shape, size, x + 40 + step_x * moved, y + 40 + step_y * moved, 112, 112).sum((1, 2))
            assert torch.allclose(inside, far, atol=0.1), scene.caption  # a corner may blur over the edge


def test_objects_of_a_pair_do_not_touch_and_stand_as_the_caption_says():
    for index, scene in enumerate(some_scenes(1499)):
        if scene.relation is None:
            continue
        ((x, y), (x2, y2)), size = world._centers(scene, torch.Generator().manual_seed(index))
        along, across = (x2 - x, y2 - y) if scene.relation == "left of" else (y2 - y, x2 - x)
        assert along > size + 1
        assert abs(across) < along


@pytest.mark.parametrize("motion", world.MOTIONS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_an_object_travels_as_far_as_its_speed_says_in_its_direction(motion, speed):
    clip = render(Scene((Thing("square", "red"),), motion, speed, "black", "vivid", size="small"), 0)
    weights = clip[:, 0] / clip[:, 0].sum((1, 2), keepdim=True)
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    center = torch.stack([(weights * columns).sum((1, 2)), (weights * rows).sum((1, 2))], dim=1)
    step = torch.tensor(world.MOTIONS[motion]) * SPEEDS[speed] / (NUM_FRAMES - 1)
    assert torch.allclose(center.diff(dim=0), step.expand(NUM_FRAMES - 1, 2).float(), atol=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_is_the_shapes_area(shape):
    areas = {"circle": torch.pi / 4, "square": 1.0, "triangle": 0.5}
    middle = torch.tensor(50.0)
    plane = coverage(shape, 60.0, middle, middle, 100, 100)
    assert plane.sum() == pytest.approx(areas[shape] * 3600, rel=0.01)
    assert 0 <= plane.min() <= plane.max() <= 1


def test_an_unknown_shape_is_refused():
    with pytest.raises(ValueError, match="shape 'star' is not drawn here"):
        coverage("star", 8.0, torch.tensor(0.0), torch.tensor(0.0), 8, 8)


def test_styles_change_chroma_and_value_but_not_hue():
    for color in COLORS:
        assert thing_rgb(color, "vivid") == COLORS[color]
        for style in STYLES:
            rgb = thing_rgb(color, style)
            low, high = min(rgb), max(rgb)
            assert tuple((value - low) / (high - low) for value in rgb) == pytest.approx(COLORS[color])
        assert len({thing_rgb(color, style) for style in STYLES}) == 3


def test_backgrounds_are_gray_so_that_chroma_is_the_objects_alone():
    for background, (top, bottom) in world.BACKGROUNDS.items():
        clip = render(Scene((Thing("circle", "red"),), "up", "slowly", background, "vivid", size="small"), 0)
        corners = clip[:, :, [0, -1], :][..., [0, -1]]
        assert torch.equal(corners[:, :, 0], torch.full_like(corners[:, :, 0], top))
        assert torch.equal(corners[:, :, 1], torch.full_like(corners[:, :, 1], bottom))
