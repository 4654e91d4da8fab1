"""The published layout, on made state dictionaries: every tensor finds its place, and a strange one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.hunyuan_video15_i2v import HunyuanVideo15I2V
from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import read_predictor
from methods.students.public_weights import PREDICTORS, import_predictor, import_student
from methods.students.rung import RungError, read_any_card
from methods.students.student import Student, read_student

OUTLINES = Path(__file__).parents[3] / "suites" / "rungs" / "outlines"


def published_single(state, ours, theirs, split=False):
    """What `MMSingleStreamBlock` calls the weights of a diffusers single-stream block."""
    made = {}
    for kind in ("weight", "bias"):
        parts = [state[f"{ours}.{name}.{kind}"] for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]
        if split:
            made |= {
                f"{theirs}.linear1_{n}.{kind}": part for n, part in zip(("q", "k", "v", "mlp"), parts, strict=True)
            }
        else:
            made[f"{theirs}.linear1.{kind}"] = torch.cat(parts)
        made[f"{theirs}.linear2.{'fc.' if split else ''}{kind}"] = state[f"{ours}.proj_out.{kind}"]
        made[f"{theirs}.modulation.linear.{kind}"] = state[f"{ours}.norm.linear.{kind}"]
    for name in "qk":
        made[f"{theirs}.{name}_norm.weight"] = state[f"{ours}.attn.norm_{name}.weight"]
    return made


def published_dual(state, ours, theirs, split=False):
    """What `MMDoubleStreamBlock` calls the weights of a diffusers dual-stream block."""
    streams = {
        "img": ("norm1", ("to_q", "to_k", "to_v"), "to_out.0", "norm_{}", "ff"),
        "txt": (
            "norm1_context",
            ("add_q_proj", "add_k_proj", "add_v_proj"),
            "to_add_out",
            "norm_added_{}",
            "ff_context",
        ),
    }
    made = {}
    for stream, (norm, projections, out, head_norm, feed_forward) in streams.items():
        here = f"{theirs}.{stream}"
        for kind in ("weight", "bias"):
            parts = [state[f"{ours}.attn.{name}.{kind}"] for name in projections]
            if split:
                made |= {f"{here}_attn_{n}.{kind}": part for n, part in zip("qkv", parts, strict=True)}
            else:
                made[f"{here}_attn_qkv.{kind}"] = torch.cat(parts)
            made[f"{here}_attn_proj.{kind}"] = state[f"{ours}.attn.{out}.{kind}"]
            made[f"{here}_mod.linear.{kind}"] = state[f"{ours}.{norm}.linear.{kind}"]
            made[f"{here}_mlp.fc1.{kind}"] = state[f"{ours}.{feed_forward}.net.0.proj.{kind}"]
            made[f"{here}_mlp.fc2.{kind}"] = state[f"{ours}.{feed_forward}.net.2.{kind}"]
        for name in "qk":
            made[f"{here}_attn_{name}_norm.weight"] = state[f"{ours}.attn.{head_norm.format(name)}.weight"]
    return made


def published_embedder(state, ours, theirs):
    return {
        f"{theirs}.mlp.{place}.{kind}": state[f"{ours}.linear_{number}.{kind}"]
        for place, number in ((0, 1), (2, 2))
        for kind in ("weight", "bias")
    }


def published_student(student, split=False):
    """What `HYVideoDiffusionTransformer` with `enable_meanflow` calls a student's weights."""
    state = student.transformer.state_dict()
    made = published_embedder(student.conditioning.state_dict(), "second_time_in", "time_r_in")
    for ours, theirs in (
        ("time_text_embed.timestep_embedder", "time_in"),
        ("time_text_embed.guidance_embedder", "guidance_in"),
        ("context_embedder.time_text_embed.timestep_embedder", "txt_in.t_embedder"),
    ):
        made |= published_embedder(state, ours, theirs)
    for kind in ("weight", "bias"):
        for ours, theirs in (
            ("x_embedder.proj", "img_in.proj"),
            ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
            ("time_text_embed.text_embedder.linear_2", "vector_in.out_layer"),
            ("context_embedder.proj_in", "txt_in.input_embedder"),
            ("context_embedder.time_text_embed.text_embedder.linear_1", "txt_in.c_embedder.linear_1"),
            ("context_embedder.time_text_embed.text_embedder.linear_2", "txt_in.c_embedder.linear_2"),
            ("proj_out", "final_layer.linear"),
        ):
            made[f"{theirs}.{kind}"] = state[f"{ours}.{kind}"]
        scale, shift = state[f"norm_out.linear.{kind}"].chunk(2)
        made[f"final_layer.adaLN_modulation.1.{kind}"] = torch.cat((shift, scale))
        ours, theirs = "context_embedder.token_refiner.refiner_blocks.0", "txt_in.individual_token_refiner.blocks.0"
        for name, public in (
            ("norm1", "norm1"),
            ("norm2", "norm2"),
            ("attn.to_out.0", "self_attn_proj"),
            ("ff.net.0.proj", "mlp.fc1"),
            ("ff.net.2", "mlp.fc2"),
            ("norm_out.linear", "adaLN_modulation.1"),
        ):
            made[f"{theirs}.{public}.{kind}"] = state[f"{ours}.{name}.{kind}"]
        fused = [state[f"{ours}.attn.to_{name}.{kind}"] for name in "qkv"]
        made[f"{theirs}.self_attn_qkv.{kind}"] = torch.cat(fused)
    for index in range(2):
        made |= published_dual(state, f"transformer_blocks.{index}", f"double_blocks.{index}", split)
    for index in range(4):
        made |= published_single(state, f"single_transformer_blocks.{index}", f"single_blocks.{index}", split)
    return made


def published_predictor(predictor, family, split=False):
    state, made = predictor.state_dict(), {}
    names = {1: ["fusion_mlp"], 2: ["fusion_mlp_img", "fusion_mlp_txt"]}[len(predictor.fusion)]
    for index, name in enumerate(names):
        for layer in (0, 2):
            for kind in ("weight", "bias"):
                made[f"{name}.{layer}.{kind}"] = state[f"fusion.{index}.{layer}.{kind}"]
    for index in range(2):
        if family.name == "hunyuan_video":
            made |= published_single(state, f"blocks.{index}", f"mm_single_blocks.{index}", split)
        else:
            made |= published_dual(state, f"blocks.{index}", f"double_blocks.{index}", split=True)
    return made


def saved(tensors, path):
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path)
    return path


@pytest.fixture
def family():
    return HunyuanVideo()


@pytest.fixture
def student(family):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        config = ConditioningConfig("native", "average")
        student = Student.beside(family, family.tiny(0).transformer, config)
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return student


@pytest.mark.parametrize("split", [False, True], ids=["fused", "in parts"])
def test_student_arrives_tensor_by_tensor(split, family, student, tmp_path):
    file = saved(published_student(student, split), tmp_path / "public.safetensors")
    transformer = family.tiny(1).transformer
    rung = import_student(file, tmp_path / "rung", family, transformer)
    read = read_student(tmp_path / "rung", family, transformer, kinds=("restricted_meanflow",))
    assert read.config == student.config
    expected = student.tensors()
    assert read.tensors().keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in read.tensors().items())
    assert rung.config["guidance_range"] == [1.0, 8.0]
    assert rung.provenance["file"] == "public.safetensors"


def test_shift_and_scale_of_the_output_layer_change_places(family, student, tmp_path):
    """Checked on what is computed: the published layer is norm(x) * (1 + scale) + shift with shift first."""
    public = published_student(student)
    shift, scale = public["final_layer.adaLN_modulation.1.weight"].chunk(2)
    hidden, temb = torch.randn(1, 3, 32), torch.randn(1, 32)
    bias = public["final_layer.adaLN_modulation.1.bias"].chunk(2)
    embedded = functional.silu(temb)
    normed = functional.layer_norm(hidden, (32,), eps=1e-6)
    by_hand = normed * (1 + embedded @ scale.T + bias[1]) + embedded @ shift.T + bias[0]
    import_student(
        saved(public, tmp_path / "public.safetensors"), tmp_path / "rung", family, family.tiny(1).transformer
    )
    read = read_student(tmp_path / "rung", family, family.tiny(1).transformer, kinds=("restricted_meanflow",))
    assert torch.allclose(read.transformer.norm_out(hidden, temb), by_hand, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "predictor.", "module.predictor."])
@pytest.mark.parametrize("split", [False, True], ids=["fused", "in parts"])
def test_predictor_of_hunyuan_video_arrives_tensor_by_tensor(split, prefix, family, tmp_path):
    transformer = family.tiny(0).transformer
    predictor = make_predictor(family, transformer, PredictorConfig(), seed=5)
    public = {f"{prefix}{name}": value for name, value in published_predictor(predictor, family, split).items()}
    rung = import_predictor(saved(public, tmp_path / "p.safetensors"), tmp_path / "rung", family, transformer, "parent")
    read, card = read_predictor(tmp_path / "rung", family, transformer)
    assert card == rung
    assert (card.parent, card.config["delta_max"]) == ("parent", 0.2)
    assert all(torch.equal(value, predictor.state_dict()[name]) for name, value in read.state_dict().items())


def test_predictor_of_hunyuan_video_15_arrives_tensor_by_tensor(tmp_path):
    family = HunyuanVideo15I2V()
    transformer = family.tiny(0).transformer
    predictor = make_predictor(family, transformer, PredictorConfig(fusion="separate"), seed=5)
    file = saved(published_predictor(predictor, family), tmp_path / "p.safetensors")
    import_predictor(file, tmp_path / "rung", family, transformer, parent="480p_i2v_step_distilled")
    read, _ = read_predictor(tmp_path / "rung", family, transformer)
    assert len(read.fusion) == 2
    assert all(torch.equal(value, predictor.state_dict()[name]) for name, value in read.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda public: public | {"fusion_mlp.1.weight": torch.zeros(2)}, "holds 'fusion_mlp.1.weight', which no publ"),
        (lambda public: public | {"mm_single_blocks.2.q_norm.weight": torch.zeros(2)}, "holds 'mm_single_blocks.2.q_n"),
        (
            lambda public: public | {"mm_single_blocks.0.q_norm.bias": torch.zeros(2)},
            "holds 'mm_single_blocks.0.q_norm.b",
        ),
        (
            lambda public: {key: public[key] for key in public if "fusion_mlp.2.bias" not in key},
            "missing fusion.0.2.bias",
        ),
        (
            lambda public: public | {"fusion_mlp.2.bias": torch.zeros(5)},
            "'fusion_mlp.2.bias' with 5 rows, the model has 32",
        ),
        (lambda public: public | {"fusion_mlp.0.weight": torch.zeros(32, 3)}, r"fusion.0.0.weight has shape \(32, 3\)"),
        (
            lambda public: public | {"mm_single_blocks.0.linear1_q.bias": torch.zeros(32)},
            "twice, whole and in parts",
        ),
    ],
    ids=["unknown", "third block", "unknown bias", "missing", "rows", "columns", "twice"],
)
def test_strange_files_are_refused_and_nothing_is_written(change, message, family, tmp_path):
    transformer = family.tiny(0).transformer
    predictor = make_predictor(family, transformer, PredictorConfig(), seed=5)
    file = saved(change(published_predictor(predictor, family)), tmp_path / "p.safetensors")
    with pytest.raises(RungError, match=message):
        import_predictor(file, tmp_path / "rung", family, transformer, parent="parent")
    assert not (tmp_path / "rung").exists()


def test_families_without_published_weights_are_told_so(tmp_path):
    family = Wan()
    transformer = family.tiny(0).transformer
    with pytest.raises(RungError, match="no predictor was published for wan, only for hunyuan_video, "):
        import_predictor(tmp_path / "none", tmp_path, family, transformer, parent="parent")
    with pytest.raises(RungError, match="published for hunyuan_video, not for wan"):
        import_student(tmp_path / "none", tmp_path, family, transformer)


def test_the_outlines_that_suites_are_priced_with_are_what_is_converted(family, student, tmp_path):
    source, other = tmp_path / "x.safetensors", HunyuanVideo15I2V()
    saved(published_student(student), source)
    found = {
        "hyvideo10_t2v_restricted_meanflow_540p": import_student(source, tmp_path / "a", family, student.transformer)
    }
    for name, made_for in (("hyvideo10_t2v_predictor_540p", family), ("hyvideo15_i2v_predictor_480p", other)):
        transformer = made_for.tiny(0).transformer
        predictor = make_predictor(made_for, transformer, PREDICTORS[made_for.name][1], seed=0)
        saved(published_predictor(predictor, made_for), source)
        found[name] = import_predictor(source, tmp_path / name, made_for, transformer, parent="student")
    for name, converted in found.items():
        outline = read_any_card(OUTLINES / name)
        assert (outline.kind, outline.family, outline.config) == (converted.kind, converted.family, converted.config)
        assert outline.weights_sha256 == outline.parent == ""
        assert f"convert {name}.safetensors of Hugging Face's Tencent/DisCa there" in outline.provenance["obtain"]
