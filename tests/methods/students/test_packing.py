"""Packed rungs: the same student within the stated error, on its own pipeline only, with the same lineage."""

from __future__ import annotations

import json

import pytest
import torch

from methods.disca import Disca
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.restricted_meanflow import RestrictedMeanFlow
from methods.students.conditioning import ConditioningConfig
from methods.students.packing import pack_rung
from methods.students.random_rungs import write_random_predictor
from methods.students.rung import RungError, read_any_card, read_tensors, write_rung
from methods.students.student import read_student

FAMILIES = [Wan(), HunyuanVideo()]
KINDS = ("restricted_meanflow",)
NAME = "transformer.proj_out.weight"


def size(folder):
    return (folder / "weights.safetensors").stat().st_size


@pytest.fixture
def packed(tiny_pipeline, write_random, tmp_path):
    """A student of a family's tiny pipeline, as it was trained and packed."""

    def make(family):
        pipeline = tiny_pipeline(family)
        student = write_random(tmp_path / "trained", family, pipeline, ConditioningConfig("added", "sum"))
        rung = pack_rung(tmp_path / "trained", tmp_path / "packed", pipeline.transformer, provenance={"more": 1})
        return pipeline, student, rung

    return make


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
@torch.no_grad()
def test_a_student_comes_back_within_the_stated_error(family, packed, tmp_path):
    pipeline, student, rung = packed(family)
    found = read_student(tmp_path / "packed", family, pipeline.transformer, kinds=KINDS)
    errors = []
    for name, value in student.tensors().items():
        error = found.tensors()[name] - value
        if value.ndim > 1 and name.startswith("transformer."):
            errors.append(error.flatten())
        else:
            assert not error.any(), name
    error = torch.cat(errors).double()
    assert rung.storage.max_error == pytest.approx(float(error.abs().max()), rel=1e-6)
    assert rung.storage.rms_error == pytest.approx(float(error.square().mean().sqrt()), rel=1e-6)
    assert rung.storage.rounded_rms == pytest.approx(0.1, rel=0.05)  # what `write_random` adds
    assert rung.storage.rms_error < 0.01 * rung.storage.rounded_rms


def test_the_card_keeps_the_lineage_and_says_what_was_done(packed, tmp_path):
    _, _, rung = packed(Wan())
    trained = read_any_card(tmp_path / "trained")
    assert read_any_card(tmp_path / "packed") == rung
    assert (rung.kind, rung.parent, rung.config) == (trained.kind, trained.parent, trained.config)
    assert rung.weights_sha256 == trained.weights_sha256 != rung.storage.sha256
    assert rung.provenance == {**trained.provenance, "more": 1}
    assert rung.storage.format == "int8_differences"


def test_a_method_runs_it_and_puts_everything_back(packed, generate, one_call, tmp_path):
    family = Wan()
    pipeline, _, _ = packed(family)
    before = {name: value.clone() for name, value in pipeline.transformer.state_dict().items()}
    videos = []
    for folder in ("trained", "packed"):
        method = RestrictedMeanFlow(str(tmp_path / folder), guidance_scale=4.0, num_inference_steps=4)
        with method.apply(pipeline, family):
            videos.append(generate(pipeline, family, one_call(family)))
    own = generate(pipeline, family, one_call(family))
    assert (videos[1] - videos[0]).square().mean() < 1e-4 * (own - videos[0]).square().mean()
    assert not torch.equal(*videos)
    after = pipeline.transformer.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_float16_holds_the_base_and_bfloat16_does_not(write_random, tmp_path, dtype):
    """The pipeline's files are in float16; loaded so, or as float32, they are the same weights."""
    family = Wan()
    pipeline = family.tiny(0)
    pipeline.transformer.half().float()
    write_random(tmp_path / "trained", family, pipeline, ConditioningConfig("added"))
    pack_rung(tmp_path / "trained", tmp_path / "packed", pipeline.transformer)
    pipeline.transformer.to(dtype)
    method = RestrictedMeanFlow(str(tmp_path / "packed"), guidance_scale=4.0, num_inference_steps=4)
    if dtype == torch.float16:
        method.apply(pipeline, family).__exit__(None, None, None)
    else:
        with pytest.raises(RungError, match=r"loaded as float32 or in the type of its files"):
            method.apply(pipeline, family)


def test_another_base_is_refused_and_changes_nothing(packed, tmp_path):
    packed(Wan())
    other = Wan().tiny(1)
    weight = other.transformer.proj_out.weight
    method = RestrictedMeanFlow(str(tmp_path / "packed"), guidance_scale=4.0, num_inference_steps=4)
    with pytest.raises(RungError, match=r"packed holds differences to the transformer [0-9a-f]{12}, this one is"):
        method.apply(other, Wan())
    with pytest.raises(RungError, match="run it on the pipeline it was packed for"):
        read_student(tmp_path / "packed", Wan(), other.transformer, kinds=KINDS)
    assert other.transformer.proj_out.weight is weight


def test_a_student_of_another_architecture_is_not_packed(packed, tmp_path):
    packed(Wan())
    deeper = Wan().tiny(0, like="Wan-AI/Wan2.1-T2V-1.3B-Diffusers").transformer
    with pytest.raises(RungError, match=r"trained does not fit the model: missing blocks\.10"):
        pack_rung(tmp_path / "trained", tmp_path / "again", deeper)
    assert not (tmp_path / "again").exists()


def test_a_rung_is_not_written_over(packed, tmp_path):
    pipeline, student, _ = packed(Wan())
    with pytest.raises(RungError, match="trained would be written over; give another folder"):
        pack_rung(tmp_path / "trained", tmp_path / "packed" / ".." / "trained", pipeline.transformer)
    assert torch.equal(
        read_student(tmp_path / "trained", Wan(), pipeline.transformer, kinds=KINDS).tensors()[NAME],
        student.tensors()[NAME],
    )


def test_nothing_is_packed_twice(packed, tmp_path):
    pipeline, _, _ = packed(Wan())
    with pytest.raises(RungError, match=r"packed is packed already \(int8_differences\)"):
        pack_rung(tmp_path / "packed", tmp_path / "again", pipeline.transformer)


@pytest.mark.parametrize("change", ["weights", "field", "format"])
def test_a_damaged_one_is_refused(packed, tmp_path, change):
    pipeline, _, rung = packed(Wan())
    path = tmp_path / "packed" / "rung.json"
    if change == "weights":
        (tmp_path / "packed" / "weights.safetensors").write_bytes(
            (tmp_path / "trained" / "weights.safetensors").read_bytes()
        )
        message = f"says {rung.storage.sha256[:12]}; copy the rung anew"
    else:
        card = json.loads(path.read_text())
        if change == "field":
            del card["storage"]["base"]
            message = r"has missing or unknown fields \['base'\]"
        else:
            card["storage"]["format"] = "int4"
            message = "has storage format 'int4'; known: float16, int8_differences"
        path.write_text(json.dumps(card))
    with pytest.raises(RungError, match=message):
        read_student(tmp_path / "packed", Wan(), pipeline.transformer, kinds=KINDS)


class TestPredictor:
    def test_is_kept_in_half_and_runs_on_the_packed_student(self, packed, generate, one_call, tmp_path):
        family = Wan()
        pipeline, _, student = packed(family)
        write_random_predictor(tmp_path / "p", family, pipeline.transformer, parent=student.weights_sha256)
        rung = pack_rung(tmp_path / "p", tmp_path / "half", pipeline.transformer)
        assert (rung.storage.format, rung.storage.base) == ("float16", None)
        assert size(tmp_path / "half") < 0.6 * size(tmp_path / "p")
        exact, kept = read_tensors(tmp_path / "p", read_any_card(tmp_path / "p")), read_tensors(tmp_path / "half", rung)
        worst = max(float((kept[name].float() - value).abs().max()) for name, value in exact.items())
        assert rung.storage.max_error == pytest.approx(worst)
        method = Disca(
            str(tmp_path / "half"),
            str(tmp_path / "packed"),
            guidance_scale=4.0,
            num_inference_steps=4,
            step_list=(0, 2),
        )
        with method.apply(pipeline, family) as applied:
            assert generate(pipeline, family, one_call(family)).isfinite().all()
            assert [decision.action for decision in applied.decisions()] == ["compute", "predict"] * 2

    def test_values_too_large_for_float16_are_refused(self, packed, tmp_path):
        pipeline, _, _ = packed(Wan())
        tensors = {"x": torch.tensor([1.0, 1e6])}
        write_rung(tmp_path / "p", kind="other", family="wan", parent="", config={}, provenance={}, tensors=tensors)
        with pytest.raises(RungError, match="not finite once packed"):
            pack_rung(tmp_path / "p", tmp_path / "half", pipeline.transformer)


def test_a_student_takes_8_bits_a_weight_a_scale_a_row_and_its_vectors(packed, tmp_path):
    packed(HunyuanVideo())
    tensors = {
        name: value for name, value in read_tensors(tmp_path / "trained", read_any_card(tmp_path / "trained")).items()
    }
    matrices = [v for name, v in tensors.items() if v.ndim > 1 and name.startswith("transformer.")]
    expected = (
        sum(v.numel() + 4 * len(v) for v in matrices)
        + sum(v.nbytes for v in tensors.values())
        - sum(v.nbytes for v in matrices)
    )
    kept = read_tensors(tmp_path / "packed", read_any_card(tmp_path / "packed"))
    assert sum(value.nbytes for value in kept.values()) == expected
