"""`harness train` as people use it; trainings themselves are tested beside their code."""

from __future__ import annotations

import json
import sys

import pytest

from harness.cli import main
from harness.discovery import RUNGS, names
from harness.training import run as training_run

CONFIG = """rung: meanflow
family: wan
model: ./m
out: meanflow
teacher: cfg
data: {folder: c, batch_size: 1}
loop: {iterations: 2, device: cpu}
"""
CARD = {
    "kind": "meanflow",
    "family": "wan",
    "parent": "f" * 64,
    "config": {},
    "provenance": {"iterations": 1},
    "weights_sha256": "a" * 64,
}
MOMENT = {"iteration": 1, "losses": {"student": 0.5}, "gradient_norms": {}, "spent_s": 1.0, "time_s": 1000.0}


@pytest.fixture
def harness(monkeypatch, capsys):
    """Exit code, standard output and standard error of one command."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "meanflow.yaml"
    path.write_text(CONFIG)
    return path


def write_rung(folder):
    (folder / "training").mkdir(parents=True)
    (folder / "rung.json").write_text(json.dumps(CARD))
    (folder / "training" / "history.jsonl").write_text(json.dumps(MOMENT) + "\n")
    return folder


def test_help_names_every_rung(harness):
    code, out, _ = harness("train", "--help")
    assert code == 0
    for name in (*names(RUNGS), "shapes", "track", "curves"):
        assert name in out


def test_the_configuration_must_be_of_the_rung_that_is_named(harness, config):
    code, _, err = harness("train", "disca", config)
    assert code == 1
    assert err == f"error: {config}:1: rung: is meanflow; say `harness train meanflow {config}`\n"


def test_a_trained_rung_is_tracked_unless_not_wanted(harness, config, monkeypatch, tmp_path, training_store):
    monkeypatch.setattr(training_run, "train_rung", lambda training: write_rung(training.out) and True)
    code, out, _ = harness("train", "meanflow", config, "--no-track")
    assert (code, out) == (0, f"rung: {tmp_path / 'meanflow'}\n")
    monkeypatch.setattr(training_run, "train_rung", lambda training: False)
    code, out, _ = harness("train", "meanflow", config, "--store", training_store)
    assert code == 0
    assert "(was trained already)" in out
    assert "/#/experiments/" in out


def test_an_interruption_says_how_to_go_on(harness, config, monkeypatch):
    def interrupted(training):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_run, "train_rung", interrupted)
    code, out, err = harness("train", "meanflow", config)
    assert (code, out) == (130, "")
    assert err == "stopped; the same command goes on from the last checkpoint in meanflow\n"


def test_tracked_rungs_are_drawn(harness, tmp_path, training_store):
    rung = write_rung(tmp_path / "rung")
    assert harness("train", "track", rung, "--store", training_store)[0] == 0
    code, out, _ = harness("train", "curves", rung, "--out", tmp_path / "figures", "--store", training_store)
    assert (code, out) == (0, f"figure: {tmp_path / 'figures' / 'training_losses.svg'}\n")


def test_a_folder_that_holds_no_rung_is_named(harness, tmp_path):
    code, _, err = harness("train", "track", tmp_path, "--store", tmp_path / "runs")
    assert code == 1
    assert err == f"error: {tmp_path} holds no rung.json; train the rung or name the folder of a trained one\n"
