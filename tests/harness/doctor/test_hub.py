"""Pipelines in the hub's cache: there, not there, and broken off midway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.doctor.hub import lacking_components, snapshot

INDEX = {
    "_class_name": "WanPipeline",
    "_diffusers_version": "0.42",
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "image_encoder": [None, None],
    "boundary_ratio": None,
}


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A whole pipeline's folder, whose transformer is in two parts."""
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    parts = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    files = {
        "tokenizer/tokenizer_config.json": "{}",
        "transformer/config.json": "{}",
        "transformer/model.safetensors.index.json": json.dumps({"weight_map": parts}),
        "transformer/model-1.safetensors": "1",
        "transformer/model-2.safetensors": "2",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_a_whole_pipeline_lacks_nothing(pipeline: Path) -> None:
    assert lacking_components(pipeline) == []


@pytest.mark.parametrize(
    ("gone", "lacks"),
    [
        (["tokenizer/tokenizer_config.json"], ["tokenizer"]),
        (["transformer/model-2.safetensors"], ["transformer"]),
        (
            [f"transformer/model{end}" for end in ("-1.safetensors", "-2.safetensors", ".safetensors.index.json")],
            ["transformer"],
        ),
        (["model_index.json"], ["model_index.json"]),
    ],
)
def test_what_was_broken_off_is_named(pipeline: Path, gone: list[str], lacks: list[str]) -> None:
    for name in gone:
        (pipeline / name).unlink()
    assert lacking_components(pipeline) == lacks


def test_a_link_to_nothing_is_no_file(pipeline: Path) -> None:
    part = pipeline / "transformer" / "model-2.safetensors"
    part.unlink()
    part.symlink_to(pipeline / "blobs" / "gone")
    assert lacking_components(pipeline) == ["transformer"]


def test_a_snapshot_is_found_by_its_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.doctor.hub.cache_folder", lambda: tmp_path)
    assert snapshot("some/model", None) is None
    folder = tmp_path / "models--some--model" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text("abc")
    assert snapshot("some/model", None) == folder
    assert snapshot("some/model", "def") is None
