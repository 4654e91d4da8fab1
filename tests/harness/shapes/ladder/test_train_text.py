"""The ladder's text encoders learn what captions say before the denoiser listens."""

from __future__ import annotations

import torch

from harness.shapes.ladder.model import Teacher
from harness.shapes.ladder.train_text import FACTS, FactReader, TextTraining, facts_of, told_states, train_text_encoders
from harness.shapes.world import all_scenes, parse_caption


def test_every_fact_of_a_scene_is_a_value_and_no_two_scenes_share_all():
    scenes = list(all_scenes())
    facts = [facts_of(scene) for scene in scenes]
    assert len(set(facts)) == len(scenes)
    for index, values in enumerate(FACTS.values()):
        assert {each[index] for each in facts} == set(range(len(values)))


def test_a_pair_says_no_size_and_a_single_no_second_color():
    pair = parse_caption("a red circle left of a blue circle moving up slowly on a gray background in vivid style")
    single = parse_caption("a small red circle moving up slowly on a gray background in vivid style")
    said = [
        {name: values[fact] for (name, values), fact in zip(FACTS.items(), facts_of(scene), strict=True)}
        for scene in (pair, single)
    ]
    assert (said[0]["first color"], said[0]["second color"], said[0]["size"]) == ("red", "blue", None)
    assert (said[1]["second color"], said[1]["relation"], said[1]["size"]) == (None, None, "small")


def test_states_are_those_of_the_caption_and_not_of_its_padding():
    torch.manual_seed(0)
    teacher = Teacher(z_dim=4).eval()
    captions = ["a small red circle", "a small red circle moving up slowly on a gray background in vivid style"]
    with torch.no_grad():
        together, alone = told_states(teacher, captions), told_states(teacher, captions[:1])
    for batched, single in zip(together, alone, strict=True):
        torch.testing.assert_close(batched[:1], single, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(batched[0], batched[1], atol=1e-2)


def test_a_reader_gives_logits_of_every_fact():
    logits = FactReader(8)(torch.randn(3, 8))
    assert [each.shape for each in logits] == [(3, len(values)) for values in FACTS.values()]


def test_both_encoders_learn():
    """Guessing gets some 0.3 of the facts right."""
    torch.manual_seed(0)
    teacher = Teacher(z_dim=4)
    before = {name: value.clone() for name, value in teacher.transformer.state_dict().items()}
    right = train_text_encoders(teacher, TextTraining(steps=40, batch_size=16, learning_rate=3e-3))
    assert right["llama"] > 0.5
    assert right["clip"] > 0.5
    assert all(torch.equal(value, before[name]) for name, value in teacher.transformer.state_dict().items())
