"""OpenAI's CLIP from a file; loaded once, whichever dimensions use it."""

from __future__ import annotations

from functools import cache
from typing import Any

import clip
import torch

from .weights import weights


@cache
def clip_model(file: str, device: torch.device) -> Any:
    """The model of a file in VBench's `clip_model` folder."""
    return clip.load(weights(f"clip_model/{file}"), device=device)[0]
