"""Training of DCM's two experts, one after the other: the semantic one, then the detail one upon it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import TIMESTEPS
from methods.students.dcm_rung import KIND, DualExpertConfig, write_dcm
from methods.students.detail_expert import DetailConfig, DetailExpert
from methods.students.rung import Rung, read_card
from methods.students.student import velocity
from methods.training.dcm_losses import DETAIL, DISCRIMINATOR, SEMANTIC, DetailLosses, SemanticLosses
from methods.training.dcm_teacher import DcmTeacher, dcm_teacher
from methods.training.discriminator import Discriminator, DiscriminatorConfig
from methods.training.distill import check_start, first_batch
from methods.training.flow import noise_like, noised, uniform
from methods.training.loop import Batches, LoopConfig, Progress, Report, Trained, device_of, once, provenance, train
from methods.training.teacher_steps import Phases, TeacherSteps


@dataclass(frozen=True, slots=True)
class DcmTraining:
    """Hyper-parameters of DCM; the defaults are HunyuanVideo's.

    Source: "DCM: Dual-Expert Consistency Model", arXiv 2506.03123; Vchitect/DCM@e7e6cac, `fastvideo/distill_dcm_*.py`
    and the arguments in `scripts/distill`. The teacher's schedule has `num_euler_steps` steps under `flow_shift`. The
    semantic expert learns those from index `split_index` on, counted from the least noise, the detail expert those
    below; each is to arrive, from anywhere in a phase, at the phase's end. The loss of both is pseudo-Huber; the
    semantic expert's has beside it the mean squared error of differences between latent frames `coherence_frames`
    apart, the detail expert's `adversarial_weight` times (`hinge_weight` times a hinge loss against a discriminator on
    features of the teacher, plus `matching_weight` times the mean squared error of the features). Features are those
    of every `feature_stride`-th block of the last kind. The target is the student itself without gradient, or with
    `ema_decay` the average of the semantic expert's weights, which is then also what is kept (upstream's is 0.95; its
    scripts use none). The semantic stage takes `semantic_iterations` of the loop's, the detail stage the others:
    published are 1500 and 1000.

    `teacher_guidance_scale` is told to a teacher that embeds a scale (HunyuanVideo's 6, in bfloat16 6.016), and makes
    two calls of any other: Wan's c + 5 (c - u) is a scale of 6. Of Wan's other values `split_index` is 35,
    `semantic_iterations` 1000 and `matching_weight` 10.

    Differences: the discriminator is DisCa's (two linear layers with spectral norm on each token, where upstream
    convolves each frame with group norm); the features that are matched are normalised for each token, where upstream
    reads them out by the teacher's output layer, which is not reached the same way in every family; the discriminator
    learns from the same outputs as the experts, before either has stepped.
    """

    semantic_iterations: int = 1500
    num_euler_steps: int = 50
    flow_shift: float = 17.0
    split_index: int = 38
    semantic_phases: int = 1
    detail_phases: int = 1
    teacher_guidance_scale: float = 6.0
    huber_c: float = 0.001
    coherence_frames: int = 3
    coherence_weight: float = 1.0
    detail: DetailConfig = field(default_factory=DetailConfig)
    adversarial_weight: float = 0.1
    hinge_weight: float = 5.0
    matching_weight: float = 1.0
    feature_stride: int = 2
    head_width: int = 64
    learning_rate: float = 1e-6
    detail_learning_rate: float = 5e-6
    discriminator_learning_rate: float = 1e-5
    discriminator_beta1: float = 0.0
    weight_decay: float = 1e-3
    ema_decay: float | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("semantic_iterations", "coherence_frames", "feature_stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")
        for name in ("flow_shift", "huber_c", "teacher_guidance_scale"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give more than 0")
        if not 0 < self.split_index < self.num_euler_steps:
            raise ValueError(f"split_index is {self.split_index}; give 1 to {self.num_euler_steps - 1}")
        _ = self.semantic_range, self.detail_range

    @property
    def steps(self) -> TeacherSteps:
        """The teacher's schedule."""
        return TeacherSteps.of(self.num_euler_steps, self.flow_shift)

    @property
    def semantic_range(self) -> Phases:
        """The steps the semantic expert learns."""
        return Phases(self.split_index, self.num_euler_steps, self.semantic_phases)

    @property
    def detail_range(self) -> Phases:
        """The steps the detail expert learns."""
        return Phases(0, self.split_index, self.detail_phases)

    @property
    def switch_timestep(self) -> int:
        """Where the semantic expert's steps end and the detail expert's begin, without what is behind the point."""
        # A level of exactly 0.9 is a little less in float32.
        return int(TIMESTEPS * float(self.steps.ends[self.split_index]) + 1e-2)


class DetailStudent(nn.Module):
    """A detail expert that is called like a transformer: the frozen semantic one, in which it is installed."""

    def __init__(self, expert: DetailExpert, transformer: nn.Module) -> None:
        """Only the expert is part of this module: it is what learns and what checkpoints hold."""
        super().__init__()
        self.expert = expert
        self._call: Callable[..., Any] = partial(transformer)

    def forward(self, **arguments: Any) -> Any:
        """See the class."""
        return self._call(**arguments)


def train_dcm(
    family: Family,
    transformer: nn.Module,
    batches: Batches,
    config: DcmTraining,
    loop: LoopConfig,
    folder: Path,
    report: Report | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    teacher: Path | None = None,
) -> Rung:
    """Train the rung `dcm` of a transformer, or of the `cfg_distilled` rung in the folder `teacher`, into `folder`.

    A transformer that is itself the teacher is moved to the training's device and frozen; for a rung it only says the
    architecture. `batches` gives a `FlowBatch`. Each stage has its own checkpoints, below `folder/training`.

    Raises:
        RungError: see `dcm_teacher`.
        TrainingError: an expert does not begin as what it is made from, or see `train`.
        ValueError: the loop is not longer than the semantic stage, latents have too few frames, or no detail expert is
            known for the family.
    """
    began, checkpoints = time.time(), folder / "training"
    if loop.iterations <= config.semantic_iterations:
        raise ValueError(
            f"the loop has {loop.iterations} iterations and the semantic stage takes {config.semantic_iterations}; "
            "give more, for the detail stage"
        )
    taught_by = dcm_teacher(family, transformer, teacher, config.teacher_guidance_scale, device_of(loop))
    stage = replace(loop, iterations=config.semantic_iterations)
    semantic = _semantic(taught_by, batches, config, stage, checkpoints / "semantic", _part(report, 0, loop))
    # Named for what it was trained upon, so that a longer semantic stage does not find another's checkpoints.
    home = checkpoints / f"detail_after_{config.semantic_iterations}"
    stage = replace(loop, iterations=loop.iterations - config.semantic_iterations)
    listener = _part(report, config.semantic_iterations, loop)
    expert = _detail(family, taught_by, semantic, batches, config, stage, home, listener)
    told = config.teacher_guidance_scale if taught_by.embedded else None
    write = partial(
        write_dcm,
        folder,
        semantic.state_dict(),
        expert.state_dict(),
        DualExpertConfig(config.switch_timestep, told, config.detail),
        family=family.name,
        parent=taught_by.parent,
        provenance=provenance(loop, asdict(config), began),
        dtype=dtype,
    )
    once(loop, write)
    return read_card(folder, kinds=(KIND,), family=family.name)


def _semantic(
    teacher: DcmTeacher, batches: Batches, config: DcmTraining, loop: LoopConfig, folder: Path, report: Report | None
) -> nn.Module:
    student = copy.deepcopy(teacher.transformer).float().requires_grad_(True)
    ask = _start(teacher, batches, loop)
    check_start(ask(student), ask(teacher.transformer), "DCM's semantic expert")
    trained = Trained(student, config.learning_rate, weight_decay=config.weight_decay, ema_decay=config.ema_decay)
    losses = SemanticLosses(teacher, config)
    return train({SEMANTIC: trained}, losses, batches, loop, folder, report)[SEMANTIC].requires_grad_(False)


def _detail(
    family: Family,
    teacher: DcmTeacher,
    semantic: nn.Module,
    batches: Batches,
    config: DcmTraining,
    loop: LoopConfig,
    folder: Path,
    report: Report | None,
) -> DetailExpert:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(loop.seed)
        expert = DetailExpert(family, semantic, config.detail)
        tapped = list(family.block_lists(teacher.transformer)[-1][1])[:: config.feature_stride]
        judge = Discriminator(_width(semantic), DiscriminatorConfig(len(tapped), config.head_width))
    expert.start(semantic)
    ask = _start(teacher, batches, loop)
    expected = ask(semantic)
    student = DetailStudent(expert, semantic)
    decay = config.weight_decay
    trained = {
        DETAIL: Trained(student, config.detail_learning_rate, weight_decay=decay),
        DISCRIMINATOR: Trained(
            judge,
            config.discriminator_learning_rate,
            betas=(config.discriminator_beta1, 0.999),
            weight_decay=decay,
        ),
    }
    with expert.installed(semantic):
        check_start(ask(student), expected, "DCM's detail expert")
        train(trained, DetailLosses(teacher, config, tapped), batches, loop, folder, report)
    return expert


def _start(teacher: DcmTeacher, batches: Batches, loop: LoopConfig) -> Callable[[nn.Module], Tensor]:
    """Asks a transformer for its conditional velocity, each time at the same place."""
    (latents, cond, _), generator = first_batch(batches, loop)
    t = uniform(len(latents), 0.0, 1.0, generator).to(latents.device)
    noisy = noised(latents, noise_like(latents, generator), t)
    told = teacher.told(cond, len(latents))

    @torch.no_grad()
    def ask(transformer: nn.Module) -> Tensor:
        return velocity(transformer, noisy, t, told)

    return ask


def _part(report: Report | None, before: int, loop: LoopConfig) -> Report | None:
    """Reports a stage as a part of the whole loop, `before` iterations of which precede it."""
    if report is None:
        return None

    def listen(progress: Progress) -> None:
        report(replace(progress, iteration=before + progress.iteration, iterations=loop.iterations))

    return listen


def _width(transformer: nn.Module) -> int:
    config: Any = transformer.config
    return int(config.num_attention_heads * config.attention_head_dim)
