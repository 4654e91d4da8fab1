"""A folder says which training it holds."""

from __future__ import annotations

from harness.training.held import HeldTraining


def test_a_new_folder_holds_nothing(tmp_path):
    held = HeldTraining(tmp_path / "new", {"seed": 1})
    assert (held.changed(), held.finished_iterations()) == ([], None)


def test_what_differs_is_named_and_what_json_cannot_tell_apart_does_not(tmp_path):
    HeldTraining(tmp_path, {"seed": 1, "steps": (0, 2), "gone": None}).remember(None)
    assert HeldTraining(tmp_path, {"seed": 1, "steps": [0, 2]}).changed() == []
    assert HeldTraining(tmp_path, {"seed": 2, "steps": [0, 3], "new": 1}).changed() == ["new", "seed", "steps"]


def test_a_finished_training_says_how_long_it_was(tmp_path):
    held = HeldTraining(tmp_path, {})
    held.remember(None)
    assert held.finished_iterations() is None
    held.remember(20)
    assert held.finished_iterations() == 20
