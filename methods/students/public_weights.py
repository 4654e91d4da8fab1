"""Reads the weights that DisCa's authors published, in their own layout, as rungs.

They are HunyuanVideo 1.0's Restricted MeanFlow student and predictor and HunyuanVideo 1.5's predictor: Hugging Face
`Tencent/DisCa`, files `hyvideo10_t2v_restricted_meanflow_540p`, `hyvideo10_t2v_predictor_540p` and
`hyvideo15_i2v_predictor_480p`. The real files were not available here: the maps are tested on state dictionaries of
these names and of the right shapes at a tiny width, and every name is checked, so a file laid out otherwise is refused.

Where the names are from:

* transformer of 1.0: `HYVideoDiffusionTransformer` in Tencent-Hunyuan/DisCa@60d70a2,
  `disca_t2v_hyvideo10/hyvideo/modules/models.py`; `time_r_in` is there too. Names below `txt_in`, `time_in` and
  `vector_in`, whose modules that repository does not contain, are those diffusers 0.42.1 reads
  (`loaders/single_file_utils.py`).
* that projections may also come one by one (`img_attn_q`, `linear1_mlp`, `linear2.fc`), and that a predictor's names
  may stand behind `predictor.` or `module.`: its `inference.py` and `sample_video_disca.py`, which read both.
* predictors: `fusion_mlp`, `mm_single_blocks` (1.0) and `fusion_mlp_img`, `fusion_mlp_txt`, `double_blocks` (1.5) in
  `disca_utils/predictor.py`; below the blocks of 1.5 the names of `MMDoubleStreamBlock` in
  Tencent-Hunyuan/HunyuanVideo-1.5@5189982. The authors load that file without checking its names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import ConditioningConfig
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import write_predictor
from methods.students.rung import Rung, RungError, check_state, write_rung
from methods.students.student import CONDITIONING, TRANSFORMER, Student

ModuleMap = dict[str, tuple[str, ...]]
"""For each published module the modules its weights belong to, in the order in which they lie along its rows."""

GUIDANCE_RANGE = (1.0, 8.0)
"""Scales the students were trained with; DisCa, supplementary section 8.1."""
DELTA_MAX = 0.2
"""The same section's: how old caches were in training."""

_ADA_NORM_OUT = "final_layer.adaLN_modulation.1"


def convert(
    found: Mapping[str, Tensor],
    modules: ModuleMap,
    expected: Mapping[str, Tensor],
    where: object,
    swapped: Collection[str] = (),
) -> dict[str, Tensor]:
    """Published tensors under the names of `expected`, which says shapes.

    A module's weight and bias are divided among the modules that `modules` names. Of those in `swapped` the two halves
    change places: published weights have shift before scale, diffusers' have scale before shift.

    Raises:
        RungError: a name is unknown or given twice, one is missing, or a shape is another; `where` is named.
    """
    converted: dict[str, Tensor] = {}
    for key, value in found.items():
        module, _, parameter = key.rpartition(".")
        names = [f"{target}.{parameter}" for target in modules.get(module, ())]
        if not names or any(name not in expected for name in names):
            raise RungError(f"{where} holds {key!r}, which no published layout has; nothing was converted")
        if any(name in converted for name in names):
            raise RungError(f"{where} holds {names[0]!r} twice, whole and in parts; nothing was converted")
        rows = [len(expected[name]) for name in names]
        if sum(rows) != len(value):
            raise RungError(f"{where} holds {key!r} with {len(value)} rows, the model has {sum(rows)} of them")
        parts: tuple[Tensor, ...] = torch.split(value, rows)
        if module in swapped:
            parts = tuple(torch.cat(part.chunk(2)[::-1]) for part in parts)
        converted.update(zip(names, parts, strict=True))
    check_state(converted, expected, where)
    return converted


def hunyuan_video_student(num_dual: int, num_single: int, num_refiner: int) -> ModuleMap:
    """HunyuanVideo 1.0's layout, onto a student's names, for so many blocks of each kind."""
    top: dict[str, tuple[str, ...]] = {
        "img_in.proj": ("x_embedder.proj",),
        "vector_in.in_layer": ("time_text_embed.text_embedder.linear_1",),
        "vector_in.out_layer": ("time_text_embed.text_embedder.linear_2",),
        "txt_in.input_embedder": ("context_embedder.proj_in",),
        "txt_in.c_embedder.linear_1": ("context_embedder.time_text_embed.text_embedder.linear_1",),
        "txt_in.c_embedder.linear_2": ("context_embedder.time_text_embed.text_embedder.linear_2",),
        _ADA_NORM_OUT: ("norm_out.linear",),
        "final_layer.linear": ("proj_out",),
        **_embedder("time_in", "time_text_embed.timestep_embedder"),
        **_embedder("guidance_in", "time_text_embed.guidance_embedder"),
        **_embedder("txt_in.t_embedder", "context_embedder.time_text_embed.timestep_embedder"),
    }
    for index in range(num_refiner):
        top |= _below(
            f"txt_in.individual_token_refiner.blocks.{index}",
            f"context_embedder.token_refiner.refiner_blocks.{index}",
            _REFINER,
        )
    for index in range(num_dual):
        top |= _below(f"double_blocks.{index}", f"transformer_blocks.{index}", _DUAL)
    for index in range(num_single):
        top |= _below(f"single_blocks.{index}", f"single_transformer_blocks.{index}", _SINGLE)
    student = {key: tuple(f"{TRANSFORMER}.{name}" for name in names) for key, names in top.items()}
    return student | _embedder("time_r_in", f"{CONDITIONING}.second_time_in")


def hunyuan_video_predictor(num_blocks: int = 2) -> ModuleMap:
    """The layout of HunyuanVideo 1.0's predictor."""
    modules = _fusion("fusion_mlp", 0)
    for index in range(num_blocks):
        modules |= _below(f"mm_single_blocks.{index}", f"blocks.{index}", _SINGLE)
    return modules


def hunyuan_video15_predictor(num_blocks: int = 2) -> ModuleMap:
    """The layout of HunyuanVideo 1.5's predictor."""
    modules = _fusion("fusion_mlp_img", 0) | _fusion("fusion_mlp_txt", 1)
    for index in range(num_blocks):
        modules |= _below(f"double_blocks.{index}", f"blocks.{index}", _DUAL)
    return modules


PREDICTORS = {
    "hunyuan_video": (hunyuan_video_predictor, PredictorConfig(fusion="shared")),
    "hunyuan_video15": (hunyuan_video15_predictor, PredictorConfig(fusion="separate")),
    "hunyuan_video15_i2v": (hunyuan_video15_predictor, PredictorConfig(fusion="separate")),
}
"""Families that a predictor was published for: its layout, and what it is made of."""


def import_student(file: Path, folder: Path, family: Family, transformer: nn.Module, parent: str = "published") -> Rung:
    """Write the published Restricted MeanFlow student of HunyuanVideo 1.0 as a rung, in the types of its file.

    `transformer` says the architecture, on the meta device or with weights, which are not read. The parent, a student
    distilled from classifier-free guidance, was not published.

    Raises:
        RungError: see `convert`; or the family is another.
    """
    if family.name != "hunyuan_video":
        raise RungError(f"a Restricted MeanFlow student was published for hunyuan_video, not for {family.name}")
    conditioning = ConditioningConfig(guidance="native", second_time="average")
    expected = Student(family, transformer, conditioning).tensors()
    config: Any = transformer.config
    modules = hunyuan_video_student(config.num_layers, config.num_single_layers, config.num_refiner_layers)
    return write_rung(
        folder,
        kind="restricted_meanflow",
        family=family.name,
        parent=parent,
        config={"conditioning": conditioning.as_json(), "guidance_range": GUIDANCE_RANGE},
        provenance=_provenance(file),
        tensors=convert(load_file(file), modules, expected, file, swapped=(_ADA_NORM_OUT,)),
    )


def import_predictor(file: Path, folder: Path, family: Family, transformer: nn.Module, parent: str) -> Rung:
    """Write a published predictor as a rung, in the types of its file.

    `parent` is the `weights_sha256` of the rung of its student where that is one, and anything else otherwise:
    HunyuanVideo 1.5's is a model by itself (`480p_i2v_step_distilled`).

    Raises:
        RungError: see `convert`; or no predictor was published for this family.
    """
    if family.name not in PREDICTORS:
        raise RungError(f"no predictor was published for {family.name}, only for {', '.join(sorted(PREDICTORS))}")
    layout, config = PREDICTORS[family.name]
    predictor = make_predictor(family, transformer, config)
    found = convert(_unwrapped(load_file(file)), layout(config.num_blocks), predictor.state_dict(), file)
    return write_predictor(
        folder,
        found,
        config,
        family=family,
        parent=parent,
        delta_max=DELTA_MAX,
        provenance=_provenance(file),
    )


def _unwrapped(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in ("module.", "predictor."):
        if found and all(key.startswith(prefix) for key in found):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return dict(found)


def _provenance(file: Path) -> dict[str, str]:
    return {"published": "Tencent/DisCa", "file": file.name}


def _below(published: str, ours: str, modules: ModuleMap) -> ModuleMap:
    return {f"{published}.{key}": tuple(f"{ours}.{name}" for name in names) for key, names in modules.items()}


def _embedder(published: str, ours: str) -> ModuleMap:
    return _below(published, ours, {"mlp.0": ("linear_1",), "mlp.2": ("linear_2",)})


def _fusion(published: str, index: int) -> ModuleMap:
    return _below(published, f"fusion.{index}", {"0": ("0",), "2": ("2",)})


def _attention(published: str, ours: tuple[str, str, str]) -> ModuleMap:
    """A fused projection, or its three parts."""
    return {f"{published}_qkv": ours} | {f"{published}_{part}": (one,) for part, one in zip("qkv", ours, strict=True)}


_DUAL: ModuleMap = {
    "img_mod.linear": ("norm1.linear",),
    "txt_mod.linear": ("norm1_context.linear",),
    **_attention("img_attn", ("attn.to_q", "attn.to_k", "attn.to_v")),
    **_attention("txt_attn", ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")),
    "img_attn_q_norm": ("attn.norm_q",),
    "img_attn_k_norm": ("attn.norm_k",),
    "txt_attn_q_norm": ("attn.norm_added_q",),
    "txt_attn_k_norm": ("attn.norm_added_k",),
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mlp.fc1": ("ff.net.0.proj",),
    "img_mlp.fc2": ("ff.net.2",),
    "txt_mlp.fc1": ("ff_context.net.0.proj",),
    "txt_mlp.fc2": ("ff_context.net.2",),
}
_SINGLE: ModuleMap = {
    "modulation.linear": ("norm.linear",),
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear1_q": ("attn.to_q",),
    "linear1_k": ("attn.to_k",),
    "linear1_v": ("attn.to_v",),
    "linear1_mlp": ("proj_mlp",),
    "linear2": ("proj_out",),
    "linear2.fc": ("proj_out",),
    "q_norm": ("attn.norm_q",),
    "k_norm": ("attn.norm_k",),
}
_REFINER: ModuleMap = {
    "norm1": ("norm1",),
    "norm2": ("norm2",),
    **_attention("self_attn", ("attn.to_q", "attn.to_k", "attn.to_v")),
    "self_attn_proj": ("attn.to_out.0",),
    "mlp.fc1": ("ff.net.0.proj",),
    "mlp.fc2": ("ff.net.2",),
    "adaLN_modulation.1": ("norm_out.linear",),
}
