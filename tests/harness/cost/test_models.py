"""Architectures without weights: where they are from, and what they weigh."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from harness.cost.models import UnpricedError, architecture_of, empty_transformer, model_bytes, weight_bytes
from harness.discovery import load_family
from harness.task import ModelSpec

ROOT = Path(__file__).parents[3]
EMBEDDED = ROOT / "harness" / "shapes" / "model"


def spec(model, family="wan", dtype="bfloat16"):
    return ModelSpec("label", family, str(model), None, dtype)


def test_a_folder_says_its_own_architecture():
    family = load_family("wan")
    architecture = architecture_of(spec(EMBEDDED), family)
    assert {"transformer", "vae", "text_encoder", "scheduler"} <= architecture.keys()
    assert architecture["transformer"]["num_layers"] == 12
    found = model_bytes(family, architecture, "float32")
    assert set(found) == {"transformer", "vae", "text_encoder"}
    for path in EMBEDDED.rglob("*.safetensors"):
        with safe_open(path, "pt") as file:
            saved = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118  # no dict
        assert found[path.parent.name] == pytest.approx(4 * saved, rel=1e-3), path.parent.name


def test_a_hub_id_is_looked_up_in_the_family():
    family = load_family("wan")
    architecture = architecture_of(spec("Wan-AI/Wan2.1-T2V-14B-Diffusers"), family)
    found = model_bytes(family, architecture, "bfloat16")
    assert found["transformer"] == pytest.approx(2 * 14.29e9, rel=0.01)
    assert found["text_encoder"] == pytest.approx(2 * 5.68e9, rel=0.2)


def test_an_unknown_id_is_a_reason_that_names_the_nearest():
    with pytest.raises(
        UnpricedError, match=r"Wan2\.1-T2V-15B-Diffusers is not in .*did you mean 'Wan-AI/Wan2\.1-T2V-1"
    ):
        architecture_of(spec("Wan-AI/Wan2.1-T2V-15B-Diffusers"), load_family("wan"))


def test_a_stand_in_is_priced_as_what_it_is():
    family = load_family("wan")
    architecture = architecture_of(spec("tiny:Wan-AI/Wan2.1-T2V-14B-Diffusers"), family)
    assert architecture["transformer"]["num_layers"] == 40
    transformer = empty_transformer(family, architecture, "bfloat16")
    assert {parameter.dtype for parameter in transformer.parameters()} == {torch.bfloat16}
    assert all(parameter.is_meta for parameter in transformer.parameters())


def test_what_is_kept_in_float32_is_counted_so_and_shared_weights_once():
    class Model(nn.Module):
        _keep_in_fp32_modules = ("norm",)

        def __init__(self):
            super().__init__()
            self.norm, self.first, self.second = nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 4)
            self.second.weight = self.first.weight
            self.register_buffer("count", torch.zeros(2, dtype=torch.int64))

    assert weight_bytes(Model(), torch.bfloat16) == 8 * 4 + (16 + 4 + 4) * 2 + 2 * 8
