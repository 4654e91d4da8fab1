"""Configurations of trainings: every rung's own keys, and what is said about wrong ones."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from harness.discovery import RUNGS, load_family, names
from harness.training.config import RungTrainingError, load_rung, load_training
from methods.students.predictor import PredictorConfig
from methods.training.disca_predictor import DiscaPredictorTraining
from methods.training.loop import LoopConfig

PARENTS = {"meanflow": "teacher", "restricted_meanflow": "teacher", "disca": "student", "dcm": "teacher"}
COMMON = "family: wan\nmodel: ./m\nout: o\ndata: {folder: c, batch_size: 1}\nloop: {iterations: 3}\n"


def load(tmp_path, text):
    path = tmp_path / "t.yaml"
    path.write_text(text)
    return load_training(path)


def complaint(tmp_path, text):
    """What is said about a file, without its folder."""
    with pytest.raises(RungTrainingError) as raised:
        load(tmp_path, text)
    return str(raised.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("name", names(RUNGS))
def test_a_rung_needs_no_settings_but_the_folder_it_is_trained_from(name, tmp_path):
    rung, text = load_rung(name), f"rung: {name}\n{COMMON}"
    key = rung.parent_key
    assert key == PARENTS.get(name)
    if rung.parent_optional:
        assert load(tmp_path, text).parent is None
    elif key is not None:
        assert complaint(tmp_path, text) == f"t.yaml: {key}: is missing; add it"
    training = load(tmp_path, f"{text}{key}: ../parent\n" if key is not None else text)
    assert training.settings == type(training.rung).settings()
    assert training.loop == LoopConfig(3)
    assert training.parent == ((tmp_path.parent / "parent").resolve() if key else None)
    assert training.out == tmp_path / "o"


def test_settings_reach_the_dataclasses_below(tmp_path):
    more = "student: s\nsettings: {learning_rate: 1e-3, discriminator: null, predictor: {num_blocks: 1}}\n"
    training = load(tmp_path, f"rung: disca\n{COMMON}{more}")
    expected = DiscaPredictorTraining(learning_rate=1e-3, discriminator=None, predictor=PredictorConfig(num_blocks=1))
    assert training.settings == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("settings: {learning_rat: 1}", "t.yaml:7: settings.learning_rat: unknown key; did you mean 'learning_rate'?"),
        ("settings: {learning_rate: fast}", "settings.learning_rate: input should be a valid number, not 'fast'"),
        ("settings: {guidance_min: 0}", "t.yaml:7: settings: guidance is drawn from 0.0 to 8.0; give 0 < min <= max"),
        ("teacher: x", "t.yaml:7: teacher: unknown key; known: data, dtype, family,"),
        ("storage_dtype: int8", "t.yaml:7: storage_dtype: input should be 'float32', 'bfloat16' or 'float16'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(more, expected, tmp_path):
    assert expected in complaint(tmp_path, f"rung: cfg_distilled\n{COMMON}{more}\n")


@pytest.mark.parametrize(
    ("rung", "expected"),
    [
        ("rung: disco\n", "t.yaml:1: rung: unknown rung 'disco'; did you mean 'disca'?"),
        ("", "t.yaml: rung: is missing; add it"),
        ("rung: 3\n", "t.yaml:1: rung: give the name of a rung, not 3"),
    ],
)
def test_the_rung_is_asked_for_first(rung, expected, tmp_path):
    assert complaint(tmp_path, rung + COMMON) == expected


def test_an_unknown_family_names_the_nearest(tmp_path):
    text = f"rung: cfg_distilled\n{COMMON}".replace("wan", "wam")
    assert complaint(tmp_path, text) == "t.yaml:2: family: unknown family 'wam'; did you mean 'wan'?"


def test_sizes_left_out_are_the_familys(tmp_path):
    family = load_family("wan")
    training = load(tmp_path, f"rung: cfg_distilled\n{COMMON}".replace("batch_size: 1", "batch_size: 1, height: 64"))
    assert asdict(training.file.data.sampling(family)) == asdict(family.default_sampling) | {"height": 64}
