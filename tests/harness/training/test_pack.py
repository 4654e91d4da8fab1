"""Packing a rung from the command line's side: pipelines by folder, what is kept of the history, errors in one line."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from harness.errors import ModelError
from harness.train_cli import train_app
from harness.training.pack import course_of, pack
from methods.families.wan import Wan
from methods.students.random_rungs import write_random_student
from methods.students.rung import read_any_card
from methods.students.student import read_student
from methods.training.history import Moment


def moments(count, **losses):
    return [
        Moment(index + 1, {name: value(index) for name, value in losses.items()}, {}, 2.0 * (index + 1), 0.0)
        for index in range(count)
    ]


@pytest.fixture
def rung(tiny_wan, tmp_path):
    """A student of the tiny pipeline, with two iterations of history."""
    folder = tmp_path / "trained"
    transformer = Wan().load(str(tiny_wan), revision=None, dtype="float32", device="cpu").transformer
    write_random_student(folder, Wan(), transformer)
    (folder / "training").mkdir()
    lines = [
        {"iteration": i, "losses": {"student": 3.0 - i}, "gradient_norms": {}, "spent_s": i, "time_s": 0}
        for i in (1, 2)
    ]
    (folder / "training" / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_a_rung_is_packed_for_a_pipelines_folder(rung, tiny_wan, tmp_path):
    packed = pack(rung, str(tiny_wan), tmp_path / "out")
    assert packed.provenance["course"]["iterations"] == 2
    assert packed.weights_sha256 == read_any_card(rung).weights_sha256
    transformer = Wan().load(str(tiny_wan), revision=None, dtype="float32", device="cpu").transformer
    found = read_student(tmp_path / "out", Wan(), transformer, kinds=(packed.kind,))
    exact = read_student(rung, Wan(), transformer, kinds=(packed.kind,))
    torch.testing.assert_close(found.tensors(), exact.tensors(), rtol=0, atol=packed.storage.max_error)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rung.json", "weights.safetensors"]


def test_a_course_is_how_losses_began_and_ended():
    course = course_of(moments(50, mse=lambda index: float(index)))
    assert course["losses"] == {"mse": {"first": 9.5, "last": 39.5}}
    assert (course["iterations"], course["seconds"]) == (50, 100.0)


def test_a_loss_of_the_second_stage_begins_there():
    second = [Moment(3, {"adversarial": 1.0}, {}, 9.0, 0.0)]
    course = course_of(moments(2, mse=lambda index: 4.0) + second)
    assert course["losses"]["adversarial"] == {"first": 1.0, "last": 1.0}


def test_without_history_nothing_is_said():
    assert course_of([]) == {}


@pytest.mark.parametrize("what", ["rung", "base"])
def test_what_is_not_there_is_one_line(rung, tiny_wan, tmp_path, what):
    folder, base = (tmp_path / "nothing", tiny_wan) if what == "rung" else (rung, tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"cannot be packed for") as refused:
        pack(folder, str(base), tmp_path / "out")
    assert "\n" not in str(refused.value)


def test_the_command_says_what_it_wrote(rung, tiny_wan, tmp_path):
    out = tmp_path / "out"
    ran = CliRunner().invoke(train_app, ["pack", str(rung), "--base", str(tiny_wan), "--out", str(out)])
    assert ran.exit_code == 0
    assert ran.stdout.startswith(f"rung: {out} (int8_differences, off by ")
