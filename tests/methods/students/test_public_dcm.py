"""The layout of DCM's published weights, on made state dictionaries: each tensor finds its place, no other is taken."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from methods.dcm import Dcm
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.hunyuan_video15 import HunyuanVideo15
from methods.families.wan import Wan
from methods.students.detail_expert import DetailConfig
from methods.students.public_dcm import import_dcm
from methods.students.rung import RungError, read_card, read_tensors, under

FAMILIES = [Wan(), HunyuanVideo()]
SMALL = DetailConfig(rank=4, alpha=8.0)


def published(semantic, detail):
    """What a transformer with peft's adapter `lora1` and the modules of `add_layer` calls both experts' weights."""
    adapted = {name.removeprefix("low_rank.").rpartition(".down")[0] for name in detail if name.endswith("down.weight")}
    made = {}
    for name, value in semantic.items():
        module, _, parameter = name.rpartition(".")
        made[f"{module}.base_layer.{parameter}" if module in adapted else name] = value
    for name, value in detail.items():
        if name.startswith("own."):
            module, _, rest = name.removeprefix("own.").partition(".")
            made[f"{module}_lora.{rest}"] = value
    for module in adapted:
        made[f"{module}.lora_A.lora1.weight"] = detail[f"low_rank.{module}.down.weight"]
        made[f"{module}.lora_B.lora1.weight"] = detail[f"low_rank.{module}.up.weight"]
    return made


@pytest.fixture
def public(tiny_pipeline, tmp_path):
    """A family's random experts, and the file in which they would be published."""

    def make(family, change=lambda tensors: tensors):
        Dcm.conformance_weights(family, tiny_pipeline(family), tmp_path / "made")
        tensors = read_tensors(tmp_path / "made", read_card(tmp_path / "made", kinds=("dcm",), family=family.name))
        found = change(published(under(tensors, "semantic"), under(tensors, "detail")))
        save_file({name: value.contiguous().clone() for name, value in found.items()}, tmp_path / "public.safetensors")
        return tensors, tmp_path / "public.safetensors"

    return make


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_both_experts_arrive_tensor_by_tensor(family, public, tiny_pipeline, tmp_path):
    expected, file = public(family)
    rung = import_dcm(file, tmp_path / "rung", family, tiny_pipeline(family).transformer, detail=SMALL)
    found = read_tensors(tmp_path / "rung", rung)
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())
    assert rung.provenance == {"published": "cszy98/DCM", "file": "public.safetensors"}
    told = {"wan": (978, None), "hunyuan_video": (981, 6.016)}[family.name]
    assert (rung.config["switch_timestep"], rung.config["guidance_scale"]) == told
    with Dcm(str(tmp_path / "rung")).apply(tiny_pipeline(family), family):
        pass


def test_names_of_the_published_layout(public):
    _, file = public(Wan())
    with open(file, "rb") as opened:
        names = opened.read().decode("latin-1")
    for name in (
        "blocks.0.attn1.to_q.base_layer.bias",
        "blocks.3.attn2.to_out.0.lora_B.lora1.weight",
        "condition_embedder_lora.time_embedder.linear_1.weight",
        "proj_out_lora.bias",
        "blocks.0.scale_shift_table",
        "scale_shift_table",
    ):
        assert f'"{name}"' in names


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda found: found | {"context_embedder_lora.weight": torch.zeros(2)},
            "holds 'context_embedder_lora.weight'",
        ),
        (
            lambda found: found | {"blocks.0.attn1.to_q.weight": torch.zeros(2)},
            r"holds 'blocks\.0\.attn1\.to_q\.weight'",
        ),
        (
            lambda found: {name: value for name, value in found.items() if name != "proj_out_lora.bias"},
            r"missing detail\.own\.proj_out\.bias",
        ),
        (
            lambda found: found | {"blocks.0.attn1.to_q.lora_A.lora1.weight": torch.zeros(3, 24)},
            "with 3 rows, the model has 4",
        ),
    ],
    ids=["more modules", "no adapter", "missing", "another rank"],
)
def test_a_file_laid_out_otherwise_is_refused(public, tiny_pipeline, tmp_path, change, message):
    _, file = public(Wan(), change)
    with pytest.raises(RungError, match=message):
        import_dcm(file, tmp_path / "rung", Wan(), tiny_pipeline(Wan()).transformer, detail=SMALL)
    assert not (tmp_path / "rung").exists()


def test_families_without_published_experts_are_told_so(tmp_path):
    with pytest.raises(
        RungError, match="no DCM experts were published for hunyuan_video15, only for hunyuan_video, wan"
    ):
        import_dcm(tmp_path / "none", tmp_path, HunyuanVideo15(), torch.nn.Linear(1, 1))
