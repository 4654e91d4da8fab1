"""The whole ladder by one call, and what it refuses; the trainings themselves are stood in for."""

from __future__ import annotations

import pytest

from harness.errors import ModelError
from harness.shapes.ladder import train_ladder as module
from harness.shapes.ladder.rungs import RUNGS
from harness.shapes.ladder.train_ladder import train_ladder
from methods.students.rung import CARD


@pytest.fixture
def trained(monkeypatch):
    """Names in the order in which they are trained; folders are made with nothing but their marks."""
    order: list[str] = []

    def teacher(config, work, report):
        order.append("teacher")

    def save(teacher, config, steps, out):
        out.mkdir(parents=True)
        (out / "training.json").write_text("{}")

    def rung(rung, teacher, clips, folder, report):
        order.append(rung.name)
        (folder / rung.name).mkdir(parents=True)
        (folder / rung.name / CARD).write_text("{}")

    monkeypatch.setattr(module, "train_teacher", teacher)
    monkeypatch.setattr(module, "save_teacher", save)
    monkeypatch.setattr(module, "train_rung", rung)
    monkeypatch.setattr(module, "remembered_clips", lambda *given: None)
    monkeypatch.setattr(module, "load_teacher", lambda folder: None)
    return order


def test_everything_is_trained_once(trained, tmp_path):
    folders = train_ladder(tmp_path)
    assert trained == ["teacher", *(rung.name for rung in RUNGS)]
    assert folders == (tmp_path / "pipeline", *(tmp_path / "rungs" / rung.name for rung in RUNGS))
    assert train_ladder(tmp_path) == folders
    assert len(trained) == 1 + len(RUNGS)


def test_only_what_is_named(trained, tmp_path):
    train_ladder(tmp_path, ["teacher"])
    assert train_ladder(tmp_path, ["cfg_distilled"]) == (tmp_path / "rungs" / "cfg_distilled",)
    assert trained == ["teacher", "cfg_distilled"]


def test_what_is_missing_or_unknown_is_said(trained, tmp_path):
    with pytest.raises(ModelError, match=r"consistency: no such in the ladder; there are teacher, cfg_distilled"):
        train_ladder(tmp_path, ["consistency"])
    with pytest.raises(ModelError, match=r"the teacher is not trained; train it first \(--only teacher\)"):
        train_ladder(tmp_path, ["cfg_distilled"])
    train_ladder(tmp_path, ["teacher"])
    with pytest.raises(ModelError, match="meanflow needs cfg_distilled, which is not trained"):
        train_ladder(tmp_path, ["meanflow"])
