"""Train the embedded model from nothing and ship it as an ordinary pipeline folder.

Two stages, each resumable from the work folder: the autoencoder, then text encoder and transformer together.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline

from harness.environment import describe_environment
from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.card import model_card
from harness.shapes.evaluate import GUIDANCE_SCALE, evaluate
from harness.shapes.flow_matching import DenoiserTraining
from harness.shapes.pipeline_folder import write_pipeline
from harness.shapes.text import build_tokenizer
from harness.shapes.train_autoencoder import AutoencoderTraining, train_autoencoder
from harness.shapes.train_denoiser import train_denoiser

FLOW_SHIFT = 3.0


@dataclass(frozen=True)
class ShapesTraining:
    """Both stages."""

    autoencoder: AutoencoderTraining = field(default_factory=AutoencoderTraining)
    denoiser: DenoiserTraining = field(default_factory=DenoiserTraining)


def train_shapes(config: ShapesTraining, work: Path, out: Path) -> None:
    """Train, or continue from `work`, and write the pipeline to `out`."""
    work.mkdir(parents=True, exist_ok=True)
    finished = work / "autoencoder" / "finished"
    if finished.exists():
        autoencoder = PatchAutoencoder.from_pretrained(finished)
    else:
        autoencoder = train_autoencoder(config.autoencoder, work / "autoencoder")
        autoencoder.save_pretrained(finished)
    denoiser = train_denoiser(config.denoiser, autoencoder, work / "denoiser")
    save_pipeline(autoencoder, denoiser.text_encoder, denoiser.transformer, out)
    (out / "training.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    write_card(out)


def write_card(out: Path) -> None:
    """Evaluate the pipeline in `out` and write its card: README.md there."""
    environment = describe_environment("cpu")
    card = model_card(
        evaluate(out),
        json.loads((out / "training.json").read_text(encoding="utf-8")),
        guidance=GUIDANCE_SCALE,
        machine=f"{environment['cpu_count']} cores of {environment['device_name']}, torch {torch.__version__}",
        date=datetime.now(UTC).date().isoformat(),
    )
    (out / "README.md").write_text(card, encoding="utf-8")


def save_pipeline(
    autoencoder: PatchAutoencoder, text_encoder: torch.nn.Module, transformer: torch.nn.Module, out: Path
) -> None:
    """Write a `WanPipeline` folder in float16; the parts become float16."""
    pipeline = WanPipeline(
        tokenizer=build_tokenizer(),
        text_encoder=text_encoder.eval(),
        vae=autoencoder.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=FLOW_SHIFT),
        transformer=transformer.eval(),
    )
    write_pipeline(pipeline, out)
