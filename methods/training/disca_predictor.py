"""Training of DisCa's predictor: mean squared error first, then against a discriminator (Algorithm 3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import STUDENT_KINDS, write_predictor
from methods.students.rung import Rung, RungError, read_card, state_digest
from methods.students.student import read_student, velocity
from methods.training.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    discriminator_loss,
    predictor_adversarial_loss,
    tapped_depths,
)
from methods.training.flow import FlowBatch, noise_like, noised, per_sample, uniform
from methods.training.loop import Batches, LoopConfig, LossValues, Report, Trained, device_of, provenance, train
from methods.training.predicted_model import Point, PredictedModel

PREDICTOR, DISCRIMINATOR = "predictor", "discriminator"
"""Names of the two networks that learn, in losses and checkpoints."""

Steps = Literal["restricted", "schedule"]
"""Which steps (t, r) are trained on: t uniform and t - r up to `restriction`, or those of an inference schedule."""


@dataclass(frozen=True, slots=True)
class DiscaPredictorTraining:
    """Hyper-parameters of the predictor.

    Source: DisCa (arXiv 2602.05449), supplementary section 8.1 and Algorithm 3: 500 iterations of mean squared error
    and then the discriminator too (for 1000, so the loop has 1500 together), learning rates 1e-4 and 1e-2, lambda
    (`adversarial_weight`) 1, caches at most `delta_max` 0.2 old. Line 14 of the algorithm has the discriminator's signs
    turned round against the paper's equation; see `DiscriminatorConfig.signs`.

    Not published, and ours: the pairs (t, r), which Algorithm 3 takes as given (`steps`; for `schedule` those of
    `num_inference_steps` Euler steps under `flow_shift`), the optimiser (AdamW), averaging (`ema_decay`, none), the
    guidance scales at which a student that takes one is asked (uniform over those it was trained with), and the
    discriminator's heads. `unconditional_share` of the batches are without prompt, for models that are sampled with two
    calls a step.
    Without `discriminator` all iterations are of the first stage: the paper's ablation without GAN.

    Both networks step at the end of an iteration, where Algorithm 3 lets the discriminator see the predictor's step.
    """

    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    discriminator: DiscriminatorConfig | None = field(default_factory=DiscriminatorConfig)
    mse_iterations: int = 500
    delta_max: float = 0.2
    steps: Steps = "restricted"
    restriction: float = 0.2
    num_inference_steps: int = 20
    flow_shift: float = 5.0
    adversarial_weight: float = 1.0
    learning_rate: float = 1e-4
    discriminator_learning_rate: float = 1e-2
    weight_decay: float = 0.0
    ema_decay: float | None = None
    unconditional_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.steps not in get_args(Steps):
            raise ValueError(f"steps is {self.steps!r}; give {' or '.join(get_args(Steps))}")
        for name in ("delta_max", "restriction"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; give more than 0 and at most 1 (the paper's is 0.2)"
                )
        if not 0 <= self.unconditional_share <= 1:
            raise ValueError(f"unconditional_share is {self.unconditional_share}; give 0 to 1")
        if self.mse_iterations < 0 or self.num_inference_steps < 1:
            raise ValueError(
                f"mse_iterations is {self.mse_iterations} and num_inference_steps {self.num_inference_steps}; "
                "give at least 0 and 1"
            )


def shifted_sigmas(num_inference_steps: int, flow_shift: float) -> Tensor:
    """The `num_inference_steps` + 1 times from 1 to 0 between which an Euler schedule steps."""
    even = torch.linspace(1, 0, num_inference_steps + 1)
    return flow_shift * even / (1 + (flow_shift - 1) * even)


def draw_step(config: DiscaPredictorTraining, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(t, r) of a batch: where a step begins and ends, each `(batch,)` on the CPU with 0 <= r <= t <= 1."""
    if config.steps == "schedule":
        sigmas = shifted_sigmas(config.num_inference_steps, config.flow_shift)
        index = torch.randint(config.num_inference_steps, (batch,), generator=generator)
        return sigmas[index], sigmas[index + 1]
    interval = uniform(batch, 0.0, config.restriction, generator)
    t = uniform(batch, 0.0, 1.0, generator)
    return t, (t - interval).clamp_min(0)


def later(t: Tensor, r: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """(t', r'): the step that lies `delta` closer to the data, clipped at 0."""
    return (t - delta).clamp_min(0), (r - delta).clamp_min(0)


def following(t: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """(t'', r''): the step after (t, r), as long as it and clipped at 0.

    Algorithm 3, line 11, defines r'' by itself; that it means t' and r' there is read from its t'' = r'.
    """
    return r, (r - (t - r)).clamp_min(0)


def stepped(latents: Tensor, velocity: Tensor, t: Tensor, r: Tensor) -> Tensor:
    """The Euler step from t to r."""
    return latents - per_sample(t - r, latents) * velocity


class PredictorLosses:
    """The losses of an iteration of Algorithm 3; see `methods.training.loop.Losses`."""

    def __init__(
        self,
        model: PredictedModel,
        config: DiscaPredictorTraining,
        guidance_range: tuple[float, float] | None,
        *,
        autocast: bool = False,
    ) -> None:
        """`model` has its hooks installed; `guidance_range` is None where it takes no scale.

        With `autocast` activations are in bfloat16.
        """
        self._model, self._config, self._guidance_range, self._autocast = model, config, guidance_range, autocast
        judge = config.discriminator
        self._depths = () if judge is None else tapped_depths(len(model.blocks), judge.num_layers)

    def __call__(
        self, modules: Mapping[str, nn.Module], batch: FlowBatch, generator: torch.Generator, iteration: int
    ) -> LossValues:
        """See the class."""
        latents, cond, uncond = batch
        config, device, size = self._config, latents.device, len(latents)
        t, r = draw_step(config, size, generator)
        nearer = [value.to(device) for value in later(t, r, uniform(size, 0.0, config.delta_max, generator))]
        t, r = t.to(device), r.to(device)
        noise = noise_like(latents, generator)
        guidance = None
        if self._guidance_range is not None:
            guidance = uniform(size, *self._guidance_range, generator).to(device)
        without_prompt = float(uniform(1, 0.0, 1.0, generator)) < config.unconditional_share
        cached_at = Point(noised(latents, noise, t), t, r, uncond if without_prompt else cond, guidance)
        asked_at = cached_at.moved(noised(latents, noise, nearer[0]), *nearer)
        with torch.autocast(device.type, torch.bfloat16) if self._autocast else nullcontext():
            return self._losses(modules, cached_at, asked_at, iteration)

    def _losses(
        self, modules: Mapping[str, nn.Module], cached_at: Point, asked_at: Point, iteration: int
    ) -> LossValues:
        with torch.no_grad():
            _, cache = self._model.compute(cached_at)
            target, _ = self._model.compute(asked_at)
        predicted = self._model.predict(modules[PREDICTOR], cache, asked_at)
        error = nn.functional.mse_loss(predicted.float(), target.float())
        judged_by = self._config.discriminator
        if judged_by is None or iteration < self._config.mse_iterations:
            return LossValues({PREDICTOR: error}, {"mse": error.detach()})
        fake = self._model.features(_after(asked_at, predicted), self._depths)
        with torch.no_grad():
            real = self._model.features(_after(asked_at, target), self._depths)
        judge = modules[DISCRIMINATOR]
        adversarial = predictor_adversarial_loss(judge(fake))
        judged = discriminator_loss(judge(real), judge([layer.detach() for layer in fake]), judged_by.signs)
        return LossValues(
            {PREDICTOR: error + self._config.adversarial_weight * adversarial, DISCRIMINATOR: judged},
            {"mse": error.detach(), "adversarial": adversarial.detach()},
        )


def _after(point: Point, velocity: Tensor) -> Point:
    """Where the model is asked after a step by `velocity`; its features there are what is judged."""
    return point.moved(stepped(point.latents, velocity, point.t, point.r), *following(point.t, point.r))


def train_disca_predictor(
    family: Family,
    transformer: nn.Module,
    student: Path | None,
    batches: Batches,
    config: DiscaPredictorTraining,
    loop: LoopConfig,
    folder: Path,
    report: Report | None = None,
    dtype: torch.dtype = torch.float32,
) -> Rung:
    """Train a predictor for the student in the rung's folder `student`, and write it to `folder` in `dtype`.

    `transformer` says the architecture and is left alone. Where `student` is None it is itself what the predictor is
    trained for, moved to the training's device and frozen: the paper's predictor without distillation. `batches` gives
    a `FlowBatch`; checkpoints are in `folder/training`.

    Raises:
        RungError: the student's folder, see `read_student`; or its card does not say with which scales it was trained.
        TrainingError: see `train`.
    """
    began = time.time()
    model, guidance_range, parent, shaped_like = _frozen(family, transformer, student, loop)
    predictor = make_predictor(family, shaped_like, config.predictor, seed=loop.seed).float()
    trained = {
        PREDICTOR: Trained(
            predictor,
            config.learning_rate,
            weight_decay=config.weight_decay,
            ema_decay=config.ema_decay,
            blocks=predictor.blocks,
        )
    }
    if config.discriminator is not None:
        judge = _discriminator(predictor.width, config.discriminator, loop.seed)
        trained[DISCRIMINATOR] = Trained(judge, config.discriminator_learning_rate, weight_decay=config.weight_decay)
    with model.installed():
        losses = PredictorLosses(model, config, guidance_range, autocast=loop.precision == "bfloat16")
        best = train(trained, losses, batches, loop, folder / "training", report)[PREDICTOR]
    return write_predictor(
        folder,
        best.state_dict(),
        config.predictor,
        family=family,
        parent=parent,
        delta_max=config.delta_max,
        provenance=provenance(loop, asdict(config), began),
        dtype=dtype,
    )


def _frozen(
    family: Family, transformer: nn.Module, student: Path | None, loop: LoopConfig
) -> tuple[PredictedModel, tuple[float, float] | None, str, nn.Module]:
    """What the predictor is trained for, the scales it takes, its digest, and the transformer in it."""
    if student is None:
        parent = state_digest(transformer.state_dict())
        transformer.to(device_of(loop)).eval().requires_grad_(False)
        bare = PredictedModel(
            family, transformer, lambda point: velocity(transformer, point.latents, point.t, point.arguments)
        )
        return bare, None, parent, transformer
    found = read_student(student, family, transformer, kinds=STUDENT_KINDS)
    card = read_card(student, kinds=STUDENT_KINDS, family=family.name)
    found.to(device_of(loop)).eval().requires_grad_(False)
    model = PredictedModel(
        family,
        found.transformer,
        lambda point: found(point.latents, point.t, point.arguments, r=point.r, guidance=point.guidance),
    )
    if found.config.guidance == "none":
        return model, None, card.weights_sha256, found.transformer
    scales = card.config.get("guidance_range")
    if scales is None:
        raise RungError(
            f"{student} takes a guidance scale and its card does not say from where to where; train it anew"
        )
    return model, (float(scales[0]), float(scales[1])), card.weights_sha256, found.transformer


def _discriminator(width: int, config: DiscriminatorConfig, seed: int) -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        return Discriminator(width, config)
