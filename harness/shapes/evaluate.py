"""How good the embedded model is: the shapes judge on held-out captions, at several step counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import WanPipeline

from harness.dimensions import QUALITY, SEMANTIC
from harness.metrics.shapes import Shapes
from harness.shapes.prompts import held_out_prompts
from harness.shapes.text import MAX_SEQUENCE_LENGTH
from harness.shapes.train_autoencoder import clip_batch, reconstruction_psnr
from harness.shapes.world import HEIGHT, NUM_FRAMES, WIDTH

GUIDANCE_SCALE = 5.0
BATCH = 16
GUIDED: Mapping[str, Any] = {"guidance_scale": GUIDANCE_SCALE, "max_sequence_length": MAX_SEQUENCE_LENGTH}
"""What the call of `WanPipeline` takes beside what every embedded pipeline's does."""


def load_pipeline(folder: Path) -> WanPipeline:
    """The embedded model in float32 on the CPU."""
    pipeline = WanPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def score_samples(
    pipeline: Any, prompts: Sequence[str], steps: int, arguments: Mapping[str, Any] = GUIDED
) -> dict[str, float]:
    """Mean of each dimension in percent over the prompts it applies to, seeds 0, 1, 2, ... in order.

    `arguments` are those of the pipeline's call that are not the same for every embedded pipeline.
    """
    judge = Shapes()
    scores: list[dict[str, float | None]] = []
    for start in range(0, len(prompts), BATCH):
        batch = list(prompts[start : start + BATCH])
        videos = pipeline(
            prompt=batch,
            negative_prompt=[""] * len(batch),
            height=HEIGHT,
            width=WIDTH,
            num_frames=NUM_FRAMES,
            num_inference_steps=steps,
            **arguments,
            generator=[torch.Generator().manual_seed(start + index) for index in range(len(batch))],
            output_type="np",
        ).frames
        for prompt, video in zip(batch, videos, strict=True):
            scores.append(judge.score((video * 255).round().astype(np.uint8), None, prompt))
    return {
        name: 100 * float(np.mean([value for score in scores if (value := score[name]) is not None]))
        for name in (*SEMANTIC, *QUALITY)
    }


def evaluate(folder: Path, prompts: int = 128, steps: Sequence[int] = (50, 25, 10)) -> dict[str, Any]:
    """Everything the model card says about quality.

    Returns `{"prompts": n, "reconstruction_psnr_db": x, "steps": {50: {dimension: percent}}}`.
    """
    pipeline = load_pipeline(folder)
    captions = held_out_prompts(prompts)
    clips, _ = clip_batch(256, torch.Generator().manual_seed(2026))
    return {
        "prompts": prompts,
        "reconstruction_psnr_db": reconstruction_psnr(pipeline.vae, clips),
        "steps": {count: score_samples(pipeline, captions, count) for count in steps},
    }
