"""The command: which model, prompts and options are meant, and the file that comes of it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import yaml

from harness.calibrate.calibration import CalibrationError, read_calibration
from harness.calibrate.run import calibrate, calibrator_of, only_label
from harness.cli import main
from harness.discovery import METHODS, names
from harness.planning.models import folder_fingerprint
from harness.suite import load_suite

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "harness" / "shapes" / "model"
SAMPLING = {
    "num_inference_steps": 4,
    "guidance_scale": 5.0,
    "height": 32,
    "width": 32,
    "num_frames": 9,
    "max_sequence_length": 24,
}


@pytest.fixture
def suite(tmp_path):
    """Path of a suite on the embedded model with two prompts."""
    model = {"family": "wan", "model": str(MODEL), "dtype": "float32", "sampling": SAMPLING}
    data = {
        "models": {"shapes": model},
        "prompts": ["a red circle", "a blue square"],
        "seeds": "vbench-wan",
        "methods": [{"method": "original"}],
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def refused(suite, method="magcache", *, prompts=None, **options):
    with pytest.raises(CalibrationError) as caught:
        calibrate(load_suite(suite), method, label="shapes", prompts=prompts, options=options)
    return str(caught.value)


def test_a_calibration_says_where_it_comes_from(suite):
    made = calibrate(load_suite(suite), "magcache", label="shapes", prompts=2, options={})
    assert (made.method, made.family, made.model, made.dtype) == ("magcache", "wan", "shapes/model", "float32")
    assert made.model_fingerprint == folder_fingerprint(MODEL)
    assert made.sampling["num_inference_steps"] == 4
    assert (made.prompts.count, made.seeds) == (2, (0, 100_000))
    assert made.prompts.sha256 == hashlib.sha256(b"a red circle\na blue square").hexdigest()
    assert len(made.fields["mag_ratios"]) == 4


def test_the_authors_count_of_prompts_is_the_default(suite):
    assert calibrate(load_suite(suite), "magcache", label="shapes", prompts=None, options={}).prompts.count == 1
    defaults = {name: calibrator_of(name).default_prompts for name in ("teacache", "magcache", "adacache", "mixcache")}
    assert defaults == {"teacache": 70, "magcache": 1, "adacache": 16, "mixcache": 100}


def test_a_suite_of_fewer_prompts_gives_all_it_has(suite):
    options = {"degree": "1"}
    assert calibrate(load_suite(suite), "teacache", label="shapes", prompts=None, options=options).prompts.count == 2


def test_more_prompts_than_there_are_are_refused(suite):
    assert refused(suite, prompts=3) == "--prompts 3, the suite has 2; lower it or add prompts to the suite"


def test_methods_that_need_none_are_refused(suite):
    assert refused(suite, "pab").startswith("'pab' needs no calibration")
    assert refused(suite, "teacahe") == "'teacahe' is no method; did you mean 'teacache'?"
    assert set(names(METHODS)) & set(names("harness.calibrate")) == {"teacache", "magcache", "adacache", "mixcache"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"degre": "3"}, "--set degre: calibrating teacache has no such option; did you mean 'degree'?"),
        ({"degree": "high"}, "--set degree: input should be a valid integer, not 'high'"),
        ({"degree": "0"}, "--set: degree is 0; give at least 1"),
    ],
)
def test_wrong_options_are_refused(suite, options, said):
    assert refused(suite, "teacache", **options) == said


def test_the_model_is_chosen_by_label(suite):
    data = yaml.safe_load(suite.read_text())
    data["models"]["other"] = data["models"]["shapes"]
    assert only_label(load_suite(suite), None) == "shapes"
    suite.write_text(yaml.safe_dump(data))
    loaded = load_suite(suite)
    assert only_label(loaded, "other") == "other"
    with pytest.raises(CalibrationError, match="choose one with --model"):
        only_label(loaded, None)
    with pytest.raises(CalibrationError, match="did you mean 'other'"):
        only_label(loaded, "othr")


def test_the_command_writes_the_file_and_draws_it(suite, tmp_path, monkeypatch, capsys):
    figures = tmp_path / "figures"
    arguments = ["calibrate", "teacache", str(suite), "--set", "degree=2", "--figures", str(figures)]
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    path = tmp_path / "calibrations" / "shapes" / "teacache.json"
    assert read_calibration(path).options == {"target": "output", "degree": 2, "use_ret_steps": False}
    assert f"calibration: {path}" in capsys.readouterr().out
    assert sorted(found.name for found in figures.iterdir()) == ["step_changes.png", "step_changes.svg"]


def test_an_option_without_a_value_is_one_line(suite, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["harness", "calibrate", "teacache", str(suite), "--set", "degree"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert capsys.readouterr().err == "error: --set degree: has no '='; write --set NAME=VALUE\n"
