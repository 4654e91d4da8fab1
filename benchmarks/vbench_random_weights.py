"""Random weights in the files that VBench's models are read from: right in format and shape, meaningless in value.

Runs in VBench's environment. For measuring how fast dimensions are scored, and for comparing digits where the real
files are not at hand. BERT (`scene`) and detectron2 (GRiT's four dimensions) are in no file that this could write.

    $VBENCH_PYTHON benchmarks/vbench_random_weights.py FOLDER [dimension ...]

With VBENCH_CACHE_DIR and TORCH_HOME both set to FOLDER, VBench finds them.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HUBCONF = '''"""In place of DINO's own code: a ViT-B/16 of timm's with the same inputs and outputs."""

import timm
import torch


def dino_vitb16(pretrained=True, **kwargs):
    any_size = {"dynamic_img_size": True, "dynamic_img_pad": True}
    model = timm.create_model("vit_base_patch16_224", num_classes=0, **any_size)
    model.load_state_dict(torch.load(torch.hub.get_dir() + "/checkpoints/dino_vitbase16_pretrain.pth"))
    return model.eval()
'''


def main(folder: Path, wanted: set[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # Read as vbench is imported.
    os.environ["VBENCH_CACHE_DIR"] = str(folder)
    import torch

    torch.manual_seed(0)
    for dimensions, write in MAKERS:
        if wanted & set(dimensions):
            with torch.no_grad():
                write(folder)


def write_dino(folder: Path) -> None:
    import timm
    import torch

    code = folder / "dino_model" / "facebookresearch_dino_main"
    checkpoints = folder / "hub" / "checkpoints"
    for path in (code, checkpoints):
        path.mkdir(parents=True, exist_ok=True)
    (code / "hubconf.py").write_text(HUBCONF)
    # VBench looks whether this is there, and reads another.
    (folder / "dino_model" / "dino_vitbase16_pretrain.pth").touch()
    model = timm.create_model("vit_base_patch16_224", num_classes=0)
    torch.save(model.state_dict(), checkpoints / "dino_vitbase16_pretrain.pth")


def write_clip(folder: Path, name: str, sizes: tuple[int, ...]) -> None:
    """As an archive of TorchScript, which is all that openai-clip reads without fault."""
    import torch
    from clip.model import CLIP

    archive = torch.nn.Module()
    for key, value in CLIP(*sizes).half().state_dict().items():
        *parents, last = key.split(".")
        module = archive
        for parent in parents:
            if not hasattr(module, parent):
                module.add_module(parent, torch.nn.Module())
            module = getattr(module, parent)
        module.register_parameter(last, torch.nn.Parameter(value, requires_grad=False))
    path = folder / "clip_model" / name
    path.parent.mkdir(exist_ok=True)
    torch.jit.script(archive).save(str(path))


def write_clip_b(folder: Path) -> None:
    write_clip(folder, "ViT-B-32.pt", (512, 224, 12, 768, 32, 77, 49408, 512, 8, 12))


def write_clip_l(folder: Path) -> None:
    import torch

    write_clip(folder, "ViT-L-14.pt", (768, 224, 24, 1024, 14, 77, 49408, 768, 12, 12))
    path = folder / "aesthetic_model" / "emb_reader" / "sa_0_4_vit_l_14_linear.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torch.nn.Linear(768, 1).state_dict(), path)


def write_amt(folder: Path) -> None:
    import torch
    import vbench
    from omegaconf import OmegaConf
    from vbench.third_party.amt.utils.build_utils import build_from_cfg

    config = Path(vbench.__file__).parent / "third_party" / "amt" / "cfgs" / "AMT-S.yaml"
    path = folder / "amt_model" / "amt-s.pth"
    path.parent.mkdir(exist_ok=True)
    torch.save({"state_dict": build_from_cfg(OmegaConf.load(config).network).state_dict()}, path)


def write_raft(folder: Path) -> None:
    import torch
    from easydict import EasyDict
    from vbench.third_party.RAFT.core.raft import RAFT

    model = RAFT(EasyDict({"small": False, "mixed_precision": False, "alternate_corr": False}))
    path = folder / "raft_model" / "models" / "raft-things.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({f"module.{key}": value for key, value in model.state_dict().items()}, path)


def write_musiq(folder: Path) -> None:
    import torch
    from pyiqa.archs.musiq_arch import MUSIQ

    path = folder / "pyiqa_model" / "musiq_spaq_ckpt-358bb6af.pth"
    path.parent.mkdir(exist_ok=True)
    torch.save(MUSIQ(pretrained=False).state_dict(), path)


def write_viclip(folder: Path) -> None:
    import clip
    import torch
    from vbench.third_party.ViCLIP.simple_tokenizer import SimpleTokenizer
    from vbench.third_party.ViCLIP.viclip import ViCLIP

    (folder / "ViCLIP").mkdir(exist_ok=True)
    words = folder / "ViCLIP" / "bpe_simple_vocab_16e6.txt.gz"
    shutil.copyfile(Path(clip.__file__).with_name(words.name), words)
    model = ViCLIP(tokenizer=SimpleTokenizer(str(words)), pretrain=None)
    for value in model.parameters():  # some are left as the memory was
        value.normal_(std=0.02)
    torch.save({"model": model.state_dict()}, folder / "ViCLIP" / "ViClip-InternVid-10M-FLT.pth")


def write_umt(folder: Path) -> None:
    import torch
    import vbench.human_action  # registers the model
    from timm.models import create_model

    sizes = {"num_classes": 400, "all_frames": 16, "tubelet_size": 1, "use_mean_pooling": True}
    model = create_model("vit_large_patch16_224", pretrained=False, use_learnable_pos_emb=False, **sizes)
    assert vbench.human_action
    path = folder / "umt_model" / "l16_ptk710_ftk710_ftk400_f16_res224.pth"
    path.parent.mkdir(exist_ok=True)
    torch.save(model.state_dict(), path)


MAKERS = (
    (("subject_consistency",), write_dino),
    (("background_consistency", "appearance_style"), write_clip_b),
    (("aesthetic_quality",), write_clip_l),
    (("motion_smoothness",), write_amt),
    (("dynamic_degree",), write_raft),
    (("imaging_quality",), write_musiq),
    (("temporal_style", "overall_consistency"), write_viclip),
    (("human_action",), write_umt),
)
DIMENSIONS = tuple(name for dimensions, _ in MAKERS for name in dimensions)
"""What it writes weights for."""

if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:] or DIMENSIONS))
