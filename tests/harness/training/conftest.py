"""A folder to train in: a tiny Wan pipeline, clips with captions, and the configurations of rungs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.training.config import load_training
from harness.video import write_mp4
from methods.families.wan import Wan

SIZE = {"height": 32, "width": 32, "num_frames": 5, "max_sequence_length": 8}


def write_clips(folder: Path, count: int, frames: int = 6) -> None:
    """Random clips a little larger than what is trained on."""
    folder.mkdir()
    random = np.random.default_rng(0)
    lines = []
    for index in range(count):
        write_mp4(random.integers(0, 256, (frames, 40, 48, 3), dtype=np.uint8), folder / f"{index}.mp4", 8)
        lines.append(json.dumps({"file_name": f"{index}.mp4", "text": f"a {['red', 'green'][index % 2]} circle"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def tiny_wan(tmp_path_factory):
    """Folder of a tiny pipeline."""
    folder = tmp_path_factory.mktemp("model")
    Wan().tiny(0).save_pretrained(folder)
    return folder


@pytest.fixture
def clips(tmp_path):
    """Folder of three clips."""
    write_clips(tmp_path / "clips", 3)
    return tmp_path / "clips"


@pytest.fixture
def configure(tmp_path, tiny_wan):
    """Write the configuration of a rung and load it; dotted names change what is below."""

    def of(rung="cfg_distilled", loop=None, data=None, **more):
        said = {
            "rung": rung,
            "family": "wan",
            "model": str(tiny_wan),
            "data": {"folder": "clips", "batch_size": 2, **SIZE, **(data or {})},
            "out": f"ladder/{rung}",
            "loop": {"iterations": 4, "checkpoint_every": 2, "device": "cpu", **(loop or {})},
            **more,
        }
        path = tmp_path / f"{rung}.yaml"
        path.write_text(yaml.safe_dump(said))
        return load_training(path)

    return of
