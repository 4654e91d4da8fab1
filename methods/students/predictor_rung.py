"""A predictor as a rung: what its folder holds, and how it is read for a transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.predictor import Predictor, PredictorConfig, make_predictor
from methods.students.rung import Rung, load_strictly, read_card, read_tensors, write_rung

KIND = "disca_predictor"
STUDENT_KINDS = ("restricted_meanflow", "meanflow", "cfg_distilled")
"""Rungs that a predictor may be trained for: the paper's, that of its ablation, and one that still takes many steps."""


def write_predictor(
    folder: Path,
    tensors: Mapping[str, Tensor],
    config: PredictorConfig,
    *,
    family: Family,
    parent: str,
    delta_max: float,
    provenance: Mapping[str, Any],
    dtype: torch.dtype | None = None,
) -> Rung:
    """Write a predictor's state dictionary as a rung, in its own types or `dtype`.

    `parent` is the `weights_sha256` of the student it was trained for, or the digest of a transformer. `delta_max` is
    how old, in sigma, the caches were that it was trained on.
    """
    return write_rung(
        folder,
        kind=KIND,
        family=family.name,
        parent=parent,
        config={"predictor": asdict(config), "delta_max": delta_max},
        provenance=provenance,
        tensors={name: value if dtype is None else value.to(dtype) for name, value in tensors.items()},
    )


def read_predictor(folder: Path, family: Family, transformer: nn.Module) -> tuple[Predictor, Rung]:
    """The predictor in a rung's folder, for this transformer, on its device and in its types.

    For a transformer on the meta device only `rung.json` is read.

    Raises:
        RungError: see `read_card`, `read_tensors`; or the weights do not fit the transformer's width.
    """
    rung = read_card(folder, kinds=(KIND,), family=family.name)
    predictor = make_predictor(family, transformer, PredictorConfig(**rung.config["predictor"]))
    device = next(transformer.parameters()).device
    if device.type != "meta":
        predictor.to_empty(device=device)
        load_strictly(predictor, read_tensors(folder, rung), folder)
    return predictor.requires_grad_(False), rung
