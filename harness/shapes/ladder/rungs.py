"""The rungs above the ladder's teacher: what each is trained from, and how; in the order in which they are trained.

Learning rates are larger than the paper's and iterations fewer: a width of 96 takes steps that one of 3072 does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from torch import nn

from harness.shapes.ladder.batches import conditioned_batches
from harness.shapes.ladder.latents import ClipLatents
from harness.shapes.ladder.model import FLOW_SHIFT, Teacher
from methods.families.base import Family
from methods.families.hunyuan_video import HunyuanVideo
from methods.students.rung import Rung
from methods.training.cfg_distillation import CfgDistillation, train_cfg_distillation
from methods.training.dcm import DcmTraining, train_dcm
from methods.training.disca_predictor import DiscaPredictorTraining, train_disca_predictor
from methods.training.discriminator import DiscriminatorConfig
from methods.training.history import History
from methods.training.loop import Batches, LoopConfig, Report
from methods.training.meanflow import MeanFlowTraining, train_meanflow
from methods.training.restricted_meanflow import RestrictedMeanFlowTraining, train_restricted_meanflow

STUDENT_STEPS = 20
"""Steps of a video for which predictors of few-step students are trained."""


@dataclass(frozen=True)
class Place:
    """Where a training happens: the frozen teacher, its batches, the parent rung's folder, and the rung's own."""

    teacher: Teacher
    batches: Batches
    parent: Path | None
    folder: Path
    report: Report


Config = TypeVar("Config")
"""Hyper-parameters of a training."""

Start = Callable[[Place, LoopConfig], Rung]
"""Train, or continue, a rung."""


@dataclass(frozen=True)
class LadderRung:
    """One rung; `parent` is the one it is distilled from or made for, None for the teacher itself."""

    name: str
    parent: str | None
    start: Start
    loop: LoopConfig
    batch_size: int = 16


def cfg_distillation(config: CfgDistillation) -> Start:
    """Guidance told, in place of a second call."""

    def start(place: Place, loop: LoopConfig) -> Rung:
        return train_cfg_distillation(
            HunyuanVideo(), place.teacher.transformer, place.batches, config, loop, place.folder, place.report
        )

    return start


def distilled(
    train: Callable[[Family, nn.Module, Path, Batches, Config, LoopConfig, Path, Report], Rung], config: Config
) -> Start:
    """Mean velocities of the parent, by one of the MeanFlow trainings."""

    def start(place: Place, loop: LoopConfig) -> Rung:
        if place.parent is None:
            raise ValueError(f"{place.folder.name} is distilled from a rung; name its parent")
        transformer = place.teacher.transformer
        return train(HunyuanVideo(), transformer, place.parent, place.batches, config, loop, place.folder, place.report)

    return start


def predictor(config: DiscaPredictorTraining) -> Start:
    """A predictor for the parent."""

    def start(place: Place, loop: LoopConfig) -> Rung:
        transformer = place.teacher.transformer
        return train_disca_predictor(
            HunyuanVideo(), transformer, place.parent, place.batches, config, loop, place.folder, place.report
        )

    return start


def dcm(config: DcmTraining) -> Start:
    """An expert for the early steps and one for the late ones."""

    def start(place: Place, loop: LoopConfig) -> Rung:
        transformer = place.teacher.transformer
        return train_dcm(
            HunyuanVideo(), transformer, place.batches, config, loop, place.folder, place.report, teacher=place.parent
        )

    return start


# Scales up to 8 make the errors' squares noisy, so the rate has to fall for long: at 1e-3 the error stood still.
_GUIDANCE = LoopConfig(
    iterations=3000, optimizer="muon", warmup_iterations=50, cooldown_iterations=1000, checkpoint_every=50
)
_DISTILLATION = replace(_GUIDANCE, iterations=600, cooldown_iterations=400)
_PREDICTION = replace(_GUIDANCE, iterations=800, cooldown_iterations=300)

# The guided velocity of this small model turns fast where there is much noise, the faster the larger the scale.
_RESTRICTED = RestrictedMeanFlowTraining(
    restriction=0.2, norm_power=1.0, guidance_min=4.0, guidance_max=6.0, learning_rate=3e-4, ema_decay=0.99
)
_PLAIN = MeanFlowTraining(guidance_min=4.0, guidance_max=6.0, learning_rate=3e-4, ema_decay=0.99)

_PREDICTOR = DiscaPredictorTraining(
    discriminator=DiscriminatorConfig(),
    mse_iterations=500,
    flow_shift=FLOW_SHIFT,
    num_inference_steps=STUDENT_STEPS,
    learning_rate=1e-3,
    discriminator_learning_rate=1e-3,
)

_DCM = DcmTraining(
    semantic_iterations=600,
    flow_shift=FLOW_SHIFT,
    teacher_guidance_scale=5.0,
    coherence_frames=1,
    learning_rate=3e-4,
    detail_learning_rate=5e-4,
    discriminator_learning_rate=1e-3,
    ema_decay=0.95,
)

RUNGS: tuple[LadderRung, ...] = (
    LadderRung("cfg_distilled", None, cfg_distillation(CfgDistillation(learning_rate=4e-4, ema_decay=0.99)), _GUIDANCE),
    LadderRung(
        "restricted_meanflow_r02",
        "cfg_distilled",
        distilled(train_restricted_meanflow, _RESTRICTED),
        _DISTILLATION,
    ),
    LadderRung(
        "meanflow",
        "cfg_distilled",
        distilled(train_meanflow, _PLAIN),
        _DISTILLATION,
    ),
    LadderRung("disca", "restricted_meanflow_r02", predictor(_PREDICTOR), _PREDICTION),
    LadderRung(
        "disca_without_gan", "restricted_meanflow_r02", predictor(replace(_PREDICTOR, discriminator=None)), _PREDICTION
    ),
    LadderRung("disca_on_meanflow", "meanflow", predictor(_PREDICTOR), _PREDICTION),
    LadderRung(
        "predictor_only",
        "cfg_distilled",
        predictor(replace(_PREDICTOR, steps="schedule", num_inference_steps=50)),
        _PREDICTION,
    ),
    LadderRung(
        "restricted_meanflow_r04",
        "cfg_distilled",
        distilled(train_restricted_meanflow, replace(_RESTRICTED, restriction=0.4)),
        _DISTILLATION,
    ),
    # Algorithm 3 as printed, whose discriminator has its signs turned round.
    LadderRung(
        "disca_printed_signs",
        "restricted_meanflow_r02",
        predictor(replace(_PREDICTOR, discriminator=DiscriminatorConfig(signs="printed"))),
        _PREDICTION,
    ),
    LadderRung("dcm", "cfg_distilled", dcm(_DCM), LoopConfig(iterations=1000, checkpoint_every=100)),
)


def train_rung(rung: LadderRung, teacher: Teacher, clips: ClipLatents, folder: Path, report: Report | None) -> Rung:
    """Train, or continue, a rung into `folder/<name>`, with its losses in `training/history.jsonl` there.

    The parent's folder must be there, finished.
    """
    own = folder / rung.name
    parent = folder / rung.parent if rung.parent is not None else None
    batches = conditioned_batches(teacher, clips, rung.batch_size)
    place = Place(teacher, batches, parent, own, History(own / "training", report))
    return rung.start(place, rung.loop)


def load_teacher(pipeline: Path) -> Teacher:
    """The finished teacher of a pipeline's folder, frozen and in float32."""
    teacher = Teacher()
    loaded = HunyuanVideo().load(str(pipeline), revision=None, dtype="float32", device="cpu")
    teacher.transformer = loaded.transformer
    teacher.text_encoder, teacher.text_encoder_2 = loaded.text_encoder, loaded.text_encoder_2
    frozen: Teacher = teacher.eval().requires_grad_(False)
    # Over some 70 tokens fused attention on a CPU is slower than plain matrix products.
    frozen.transformer.set_attention_backend("_native_math")
    return frozen
