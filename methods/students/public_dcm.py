"""Reads the weights that DCM's authors published, in their own layout, as a rung.

They are HunyuanVideo's and Wan 2.1 1.3B's: Hugging Face `cszy98/DCM`, each a whole pipeline whose
`transformer/diffusion_pytorch_model.safetensors` holds both experts. The real files were not available here: the layout
is tested on state dictionaries of these names and of the right shapes at a tiny width, and every name is checked, so a
file laid out otherwise is refused.

Where the names are from: Vchitect/DCM@e7e6cac, `fastvideo/sample/inference_hy.py` and `inference_wan.py`. There a
transformer of diffusers' names gets a peft adapter `lora1` (rank 128, alpha 256, on all that ends in `to_q`, `to_k`,
`to_v` and `to_out.0`), then modules of the detail expert's own by `add_layer`, and the file is loaded strictly. So

* what has an adapter is called `<name>.base_layer`, `<name>.lora_A.lora1` and `<name>.lora_B.lora1`;
* the own modules are those that the inference code calls: `time_text_embed_lora`, `norm_out_lora` and `proj_out_lora`
  of HunyuanVideo, `condition_embedder_lora`, `norm_out_lora` (which has no weights) and `proj_out_lora` of Wan.

What `add_layer` makes could not be read. That these modules are built like those they stand in for is taken from how
they are called; if it makes more of them, which inference does not call, a file is refused for their names.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from methods.families.base import Family
from methods.students.dcm_rung import DETAIL, SEMANTIC, DualExpertConfig, write_dcm
from methods.students.detail_expert import DetailConfig, DetailExpert
from methods.students.low_rank import LowRank
from methods.students.public_weights import ModuleMap, convert
from methods.students.rung import Rung, RungError, under, with_prefix

_ADAPTER = "lora1"

PUBLISHED = {
    # 6 in bfloat16, times 1000, is the 6016 that the code tells the transformer.
    "hunyuan_video": DualExpertConfig(switch_timestep=981, guidance_scale=6.016),
    "wan": DualExpertConfig(switch_timestep=978),
}
"""Families that experts were published for. Timesteps: of the inference code; training code for Wan has 981 too."""


def dual_expert_layout(family: Family, transformer: nn.Module, expert: DetailExpert) -> ModuleMap:
    """The published names of every module that has weights of its own, onto those of a rung."""
    low_rank = {name: part for name, part in expert.parts() if isinstance(part, LowRank)}
    layout: ModuleMap = {}
    for name, module in transformer.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            ours = f"{SEMANTIC}.{name}" if name else SEMANTIC
            layout[f"{name}.base_layer" if name in low_rank else name] = (ours,)
    for name in low_rank:
        for published, part in (("lora_A", "down"), ("lora_B", "up")):
            layout[f"{name}.{published}.{_ADAPTER}"] = (f"{DETAIL}.low_rank.{name}.{part}",)
    for name, module in expert.own.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            top, _, below = name.partition(".")
            layout[f"{top}_lora.{below}" if below else f"{top}_lora"] = (f"{DETAIL}.own.{name}",)
    return layout


def import_dcm(
    file: Path,
    folder: Path,
    family: Family,
    transformer: nn.Module,
    parent: str = "published",
    detail: DetailConfig | None = None,
) -> Rung:
    """Write both published experts as a rung, in the types of their file.

    `transformer` says the architecture, on the meta device or with weights, which are not read; `detail` another rank
    than the published one.

    Raises:
        RungError: see `convert`; or no experts were published for this family.
    """
    if family.name not in PUBLISHED:
        raise RungError(f"no DCM experts were published for {family.name}, only for {', '.join(sorted(PUBLISHED))}")
    published = PUBLISHED[family.name]
    config = DualExpertConfig(published.switch_timestep, published.guidance_scale, detail or published.detail)
    expert = DetailExpert(family, transformer, config.detail)
    expected = with_prefix(transformer.state_dict(), SEMANTIC) | with_prefix(expert.state_dict(), DETAIL)
    found = convert(load_file(file), dual_expert_layout(family, transformer, expert), expected, file)
    provenance = {"published": "cszy98/DCM", "file": file.name}
    return write_dcm(
        folder,
        under(found, SEMANTIC),
        under(found, DETAIL),
        config,
        family=family.name,
        parent=parent,
        provenance=provenance,
    )
