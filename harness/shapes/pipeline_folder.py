"""Embedded pipelines as ordinary folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from harness.shapes.autoencoder import PatchAutoencoder


def write_pipeline(pipeline: Any, out: Path) -> None:
    """Write a pipeline in float16, which halves it and moves no score; it is loaded as float32.

    The pipeline's own parts become float16.
    """
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(torch.float16)
    pipeline.save_pretrained(out)
    # Diffusers notes the top-level package of a class; the full path lets `from_pretrained` find it alone.
    index = out / "model_index.json"
    components = json.loads(index.read_text(encoding="utf-8"))
    components["vae"] = [PatchAutoencoder.__module__, PatchAutoencoder.__name__]
    index.write_text(json.dumps(components, indent=2) + "\n", encoding="utf-8")
