"""The shapes judge is right on the truth, near chance on other captions, and moved by what each dimension names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.metrics.shapes import QUALITY, SEMANTIC, Shapes
from harness.shapes.world import (
    BACKGROUNDS,
    COLORS,
    MOTIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    SPEEDS,
    STYLES,
    Scene,
    Thing,
    all_scenes,
    render,
)

COUNT = 120


def clip(scene, seed=0):
    frames = render(scene, seed).permute(0, 2, 3, 1).numpy()
    return (frames * 255).round().astype(np.uint8)


def mean(scores, names):
    """Mean over the clips a dimension applies to."""
    table = {name: [score[name] for score in scores if score[name] is not None] for name in names}
    return {name: float(np.mean(values)) for name, values in table.items()}


@pytest.fixture(scope="module")
def judge():
    return Shapes()


@pytest.fixture(scope="module")
def scenes():
    """As many singles as pairs, each attribute uniform, evenly from the whole world."""
    everything = list(all_scenes())
    singles = [scene for scene in everything if scene.relation is None]
    pairs = [scene for scene in everything if scene.relation is not None]
    generator = np.random.default_rng(0)
    chosen = [
        group[index] for group in (singles, pairs) for index in generator.choice(len(group), COUNT // 2, replace=False)
    ]
    return [chosen[index] for index in generator.permutation(COUNT)]


@pytest.fixture(scope="module")
def clips(scenes):
    return [clip(scene, seed) for seed, scene in enumerate(scenes)]


@pytest.fixture(scope="module")
def truth(judge, scenes, clips):
    return [judge.score(frames, None, scene.caption) for frames, scene in zip(clips, scenes, strict=True)]


def test_every_dimension_is_right_on_the_truth(truth):
    assert len(truth) >= 100
    means = mean(truth, SEMANTIC)
    assert min(means.values()) >= 0.99, means


def test_quality_is_high_on_the_truth(truth):
    means = mean(truth, QUALITY)
    assert min(means.values()) >= 0.9, means
    assert means["dynamic_degree"] == 1


def test_a_dimension_the_caption_says_nothing_about_does_not_apply(truth, scenes):
    for score, scene in zip(truth, scenes, strict=True):
        assert set(score) == set(SEMANTIC + QUALITY) == set(Shapes.values)
        absent = {name for name, value in score.items() if value is None}
        single = {"multiple_objects", "spatial_relationship"}
        assert absent == (single if scene.relation is None else {"object_class", "color"})
        assert all(0 <= value <= 1 for value in score.values() if value is not None)


def test_captions_of_other_clips_score_near_chance(judge, scenes, clips):
    """Each caption is read against a clip of an independent scene of the same kind (one thing or two)."""
    scores = []
    for kind in (False, True):
        places = [index for index, scene in enumerate(scenes) if (scene.relation is None) == kind]
        for place, other in zip(places, places[1:] + places[:1], strict=True):
            scores.append(judge.score(clips[other], None, scenes[place].caption))
    means = mean(scores, SEMANTIC)
    chance = {
        "object_class": 1 / len(SHAPES),
        "multiple_objects": 1 / len(SHAPES),  # a pair shares its shape
        "human_action": 1 / len(MOTIONS),
        "color": 1 / len(COLORS),
        # Both colours must be there, whose order is fixed, then the relation must hold.
        "spatial_relationship": 1 / (len(COLORS) * (len(COLORS) - 1) / 2) / len(RELATIONS),
        "scene": 1 / len(BACKGROUNDS),
        "appearance_style": 1 / len(STYLES),
        "temporal_style": 1 / len(SPEEDS),
    }
    for name, expected in chance.items():
        count = sum(score[name] is not None for score in scores)
        spread = (expected * (1 - expected) / count) ** 0.5
        assert abs(means[name] - expected) < 3.5 * spread, (name, means[name], expected)
    assert means["overall_consistency"] < 0.45


SINGLE = Scene((Thing("square", "red"),), "right", "quickly", "gray", "vivid", size="large")
PAIR = Scene((Thing("square", "red"), Thing("circle", "blue")), "down", "slowly", "white", "dark", relation="left of")

CHANGES = {
    "object_class": (SINGLE, replace(SINGLE, things=(Thing("triangle", "red"),))),
    "multiple_objects": (PAIR, replace(PAIR, things=(Thing("square", "red"), Thing("triangle", "blue")))),
    "human_action": (SINGLE, replace(SINGLE, motion="left")),
    "color": (SINGLE, replace(SINGLE, things=(Thing("square", "cyan"),))),
    "spatial_relationship": (PAIR, replace(PAIR, relation="above")),
    "scene": (SINGLE, replace(SINGLE, background="black")),
    "appearance_style": (SINGLE, replace(SINGLE, style="dark")),
    "temporal_style": (SINGLE, replace(SINGLE, speed="slowly")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_dimension_falls_when_just_its_attribute_is_changed_and_only_it(judge, name):
    scene, other = CHANGES[name]
    right = judge.score(clip(scene), None, scene.caption)
    wrong = judge.score(clip(other), None, scene.caption)
    assert right[name] == 1
    assert wrong[name] == 0
    assert wrong["overall_consistency"] < right["overall_consistency"]
    untouched = set(SEMANTIC) - {name, "overall_consistency"}
    assert {key: wrong[key] for key in untouched} == {key: right[key] for key in untouched}


def test_a_mirrored_pair_has_the_relation_reversed(judge):
    assert judge.score(clip(PAIR)[:, :, ::-1], None, PAIR.caption)["spatial_relationship"] == 0


def test_a_reversed_clip_moves_the_other_way(judge):
    assert judge.score(clip(SINGLE)[::-1], None, SINGLE.caption)["human_action"] == 0
    assert judge.score(clip(SINGLE)[::-1], None, replace(SINGLE, motion="left").caption)["human_action"] == 1


def test_a_still_clip_neither_moves_nor_has_a_speed(judge):
    score = judge.score(np.repeat(clip(SINGLE)[:1], 9, axis=0), None, SINGLE.caption)
    assert (score["human_action"], score["temporal_style"], score["dynamic_degree"]) == (0, 0, 0)
    assert score["object_class"] == score["color"] == 1


def test_swapped_colours_of_a_pair_break_the_whole_and_not_the_parts(judge):
    """Both shapes and both colours are there, only not together."""
    swapped = replace(PAIR, things=(Thing("square", "blue"), Thing("circle", "red")))
    score = judge.score(clip(swapped), None, PAIR.caption)
    assert score["multiple_objects"] == 1
    assert score["overall_consistency"] < 0.8


def test_size_counts_as_a_fact(judge):
    small = replace(SINGLE, size="small")
    assert set(SIZES) == {"small", "large"}
    score = judge.score(clip(small), None, SINGLE.caption)
    assert score["overall_consistency"] == pytest.approx(5 / 6)


def test_a_fact_that_holds_in_half_of_the_frames_counts_half(judge):
    frames = np.concatenate([clip(SINGLE)[:6], clip(replace(SINGLE, background="black"))[6:]])
    assert judge.score(frames, None, SINGLE.caption)["scene"] == pytest.approx(6 / 9)


class TestQuality:
    @pytest.fixture
    def good(self, judge):
        return judge.score(clip(SINGLE), None, SINGLE.caption)

    def noisy(self, amount):
        change = np.random.default_rng(0).normal(0, amount, clip(SINGLE).shape)
        return np.clip(clip(SINGLE) + change, 0, 255).astype(np.uint8)

    def test_noise_lowers_imaging_and_flickering(self, judge, good):
        scores = [good, *(judge.score(self.noisy(amount), None, SINGLE.caption) for amount in (8, 40))]
        for name in ("imaging_quality", "temporal_flickering", "background_consistency", "aesthetic_quality"):
            first, second, third = (score[name] for score in scores)
            assert first > second > third, name

    def test_flicker_of_the_whole_picture_lowers_flickering(self, judge, good):
        frames = clip(SINGLE).astype(float)
        frames[::2] *= 0.8
        score = judge.score(frames.astype(np.uint8), None, SINGLE.caption)
        assert score["temporal_flickering"] < good["temporal_flickering"] - 0.05
        assert score["background_consistency"] < good["background_consistency"] - 0.05

    def test_jitter_lowers_smoothness_alone(self, judge, good):
        frames = clip(SINGLE)
        frames[::2] = np.roll(frames[::2], 1, axis=1)
        score = judge.score(frames, None, SINGLE.caption)
        assert score["motion_smoothness"] < good["motion_smoothness"] - 0.3
        assert score["imaging_quality"] == pytest.approx(good["imaging_quality"], abs=0.01)

    def test_an_object_that_comes_and_goes_lowers_subject_consistency(self, judge, good):
        frames = clip(SINGLE)
        frames[3:5] = frames[0, 0, 0]
        assert judge.score(frames, None, SINGLE.caption)["subject_consistency"] < good["subject_consistency"] - 0.15

    def test_a_smeared_object_lowers_aesthetics(self, judge, good):
        frames = clip(SINGLE).astype(float)
        smeared = np.mean([np.roll(frames, shift, axis=1) for shift in range(-5, 6)], axis=0)
        score = judge.score(smeared.astype(np.uint8), None, SINGLE.caption)
        assert score["aesthetic_quality"] < good["aesthetic_quality"] - 0.1


NOTHING = {
    "black": np.zeros((9, 32, 32, 3), np.uint8),
    "white": np.full((9, 32, 32, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8),
    "all red": np.broadcast_to(np.array([255, 0, 0], np.uint8), (9, 32, 32, 3)),
    "gray noise": np.repeat(np.random.default_rng(0).integers(0, 256, (9, 32, 32, 1), dtype=np.uint8), 3, axis=3),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("scene", [SINGLE, PAIR], ids=["single", "pair"])
def test_videos_of_nothing_score_low_without_an_error(judge, name, scene):
    score = judge.score(NOTHING[name], None, scene.caption)
    assert all(np.isfinite(value) for value in score.values() if value is not None)
    for dimension in ("object_class", "multiple_objects", "color", "spatial_relationship", "human_action"):
        assert score[dimension] in (None, 0.0), dimension
    assert score["overall_consistency"] <= 0.35


def test_a_prompt_of_another_world_is_refused(judge):
    with pytest.raises(ValueError, match="is not a sentence of the shapes world"):
        judge.score(clip(SINGLE), None, "a corgi surfing at sunset")


@pytest.mark.parametrize("shape", [(9, 64, 64, 3), (2, 32, 32, 3), (9, 32, 32, 4)])
def test_a_video_of_another_size_is_refused_with_what_it_takes(judge, shape):
    with pytest.raises(ValueError, match="reads 3 frames or more of 32x32 pixels"):
        judge.score(np.zeros(shape, np.uint8), None, SINGLE.caption)


def test_reads_the_video_alone(judge):
    """The same frames give the same scores, whatever was drawn before and whatever state chance is in."""
    first = judge.score(clip(PAIR, 5), None, PAIR.caption)
    torch.manual_seed(1)
    np.random.default_rng(1)
    judge.score(clip(SINGLE), None, SINGLE.caption)
    assert judge.score(clip(PAIR, 5), None, PAIR.caption) == first
    assert Shapes().score(clip(PAIR, 5), None, PAIR.caption) == first
