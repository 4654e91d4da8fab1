"""Train text encoders and a transformer together by flow matching; what every embedded model shares of it.

`x_t = (1 - sigma) x_0 + sigma noise`; the transformer sees `1000 sigma` and predicts `noise - x_0`. Some captions are
replaced by the empty one (`caption_dropout`), so that classifier-free guidance works.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from harness.shapes.checkpoints import load_checkpoint, save_checkpoint
from methods.training.muon import MuonWithAdamW, split_parameters


@dataclass(frozen=True)
class DenoiserTraining:
    """Hyper-parameters. The learning rate is constant, then falls linearly over the last `cooldown` of the steps."""

    steps: int = 5100
    batch_size: int = 48
    learning_rate: float = 1.5e-3
    cooldown: float = 0.3
    weight_decay: float = 0.01
    ema_decay: float = 0.995
    caption_dropout: float = 0.125
    training_shift: float = 2.0
    seed: int = 0
    checkpoint_every: int = 250
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of activations. On a CPU without bfloat16 arithmetic float32 is the faster one."""


class JointDenoiser(nn.Module, ABC):
    """Text encoders and transformer under one roof, so that one optimiser and one average serve all."""

    transformer: Any
    """A diffusers transformer; it is compiled and given the attention backend that trains fastest."""

    @abstractmethod
    def blocks(self) -> nn.Module:
        """The part whose weight matrices Muon trains; AdamW trains everything else."""

    @abstractmethod
    def tokenize(self, captions: list[str]) -> tuple[Tensor, ...]:
        """What `forward` takes of these captions, padded as the pipeline pads."""

    @abstractmethod
    def forward(self, latents: Tensor, sigma: Tensor, *text: Tensor) -> Tensor:
        """Predicted velocity, shaped like `latents`. `sigma` is `(batch,)`; `text` is what `tokenize` gave."""


TrainedDenoiser = TypeVar("TrainedDenoiser", bound=JointDenoiser)

DrawLatents = Callable[[int, torch.Generator], tuple[Tensor, Sequence[str]]]
"""A batch of that size: clean latents of mean 0 and spread 1, `(batch, channels, frames, h, w)`, and captions."""


@dataclass(frozen=True)
class Examples:
    """Noisy latents `(batch, channels, frames, h, w)`, their levels `(batch,)`, the velocity to learn, and captions."""

    noisy: Tensor
    sigma: Tensor
    velocity: Tensor
    captions: tuple[str, ...]

    def draw(self, batch_size: int, generator: torch.Generator) -> Examples:
        """Some of them, drawn with replacement, in float32."""
        chosen = torch.randint(len(self.captions), (batch_size,), generator=generator)
        captions = tuple(self.captions[index] for index in chosen.tolist())
        return Examples(self.noisy[chosen].float(), self.sigma[chosen].float(), self.velocity[chosen].float(), captions)


DrawExamples = Callable[[int, torch.Generator], Examples]
"""A batch of that size."""

Report = Callable[[int, float, float], None]
"""Called with the steps done, the seconds spent on them, and the mean loss since the last call."""


def sample_sigma(batch_size: int, shift: float, generator: torch.Generator) -> Tensor:
    """Noise levels: mostly logit-normal, one in ten uniform, shifted towards noise as in sampling."""
    level = torch.randn(batch_size, generator=generator).sigmoid()
    uniform = torch.rand(batch_size, generator=generator)
    level = torch.where(torch.rand(batch_size, generator=generator) < 0.1, uniform, level)
    return shift * level / (1 + (shift - 1) * level)


def noisy_examples(
    latents: Tensor, captions: Sequence[str], caption_dropout: float, shift: float, generator: torch.Generator
) -> Examples:
    """Clean latents with noise added, to be taken away again: the velocity is `noise - x_0`."""
    drop = torch.rand(len(latents), generator=generator) < caption_dropout
    said = tuple("" if dropped else caption for caption, dropped in zip(captions, drop.tolist(), strict=True))
    noise = torch.randn(latents.shape, generator=generator)
    sigma = sample_sigma(len(latents), shift, generator)
    level = sigma[:, None, None, None, None]
    return Examples((1 - level) * latents + level * noise, sigma, noise - latents, said)


def train_by_flow_matching(
    config: DenoiserTraining,
    make_denoiser: Callable[[], TrainedDenoiser],
    draw: DrawLatents,
    work: Path,
    report: Report | None = None,
) -> TrainedDenoiser:
    """`train_denoiser_on` the noisy examples of clean latents."""

    def examples(batch_size: int, generator: torch.Generator) -> Examples:
        latents, captions = draw(batch_size, generator)
        return noisy_examples(latents, captions, config.caption_dropout, config.training_shift, generator)

    return train_denoiser_on(config, make_denoiser, examples, work, report)


def train_denoiser_on(
    config: DenoiserTraining,
    make_denoiser: Callable[[], TrainedDenoiser],
    draw: DrawExamples,
    work: Path,
    report: Report | None = None,
) -> TrainedDenoiser:
    """Train, or continue from `work`; returns the averaged weights.

    `make_denoiser` is called once, after torch's random state has been seeded. Every `checkpoint_every` steps the
    state is written to `work/checkpoint.pt`, and a line to `work/log.tsv`: steps, seconds, mean loss of these steps.
    """
    torch.manual_seed(config.seed)
    denoiser = make_denoiser()
    averaged = copy.deepcopy(denoiser)
    average = averaged.state_dict()
    matrices, others = split_parameters(denoiser, denoiser.blocks())
    optimizer = MuonWithAdamW(matrices, others, config.learning_rate, config.weight_decay)
    done, spent_s = load_checkpoint(work, denoiser, optimizer, average)
    averaged.load_state_dict(average)
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + done + 7)
    started = time.monotonic() - spent_s
    # Over some 50 tokens the fused CPU attention is several times slower backwards than plain matrix products.
    denoiser.transformer.set_attention_backend("_native_math")
    denoiser.transformer.compile()
    recent: list[float] = []
    with (work / "log.tsv").open("a", encoding="utf-8") as log:
        while done < config.steps:
            remaining = 1 - done / config.steps
            rate = min(1.0, (done + 1) / 300, remaining / config.cooldown + 0.01)
            optimizer.set_lr(config.learning_rate * rate)
            batch = draw(config.batch_size, generator)
            text = denoiser.tokenize(list(batch.captions))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
                velocity = denoiser(batch.noisy, batch.sigma, *text)
            loss = (velocity.float() - batch.velocity).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
            optimizer.step()
            done += 1
            decay = min(config.ema_decay, (1 + done) / (10 + done))
            with torch.no_grad():
                torch._foreach_lerp_(list(averaged.parameters()), list(denoiser.parameters()), 1 - decay)
            recent.append(loss.item())
            if done % config.checkpoint_every == 0 or done == config.steps:
                spent_s = time.monotonic() - started
                mean_loss = sum(recent) / len(recent)
                log.write(f"{done}\t{spent_s:.0f}\t{mean_loss:.5f}\n")
                log.flush()
                recent.clear()
                save_checkpoint(work, denoiser, optimizer, done, spent_s, averaged.state_dict())
                if report is not None:
                    report(done, spent_s, mean_loss)
    return averaged
