"""Restricted MeanFlow: mean velocities over intervals no longer than R, distilled from a CFG-distilled teacher."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import SecondTime, SecondTimeValue
from methods.students.rung import Rung
from methods.training.flow import uniform
from methods.training.loop import Batches, LoopConfig, Report, Trained
from methods.training.mean_flow_identity import Variant, adaptive_loss, new_student, read_teacher, train_mean_flow

KIND = "restricted_meanflow"


@dataclass(frozen=True, slots=True)
class RestrictedMeanFlowTraining:
    """Hyper-parameters of Restricted MeanFlow.

    Source: DisCa (arXiv 2602.05449), section on Restricted MeanFlow, supplementary section 8.1 and Algorithm 2:
    t ~ U(0, 1), I ~ U(0, R), r = max(0, t - I); mean squared error without weights; the teacher's velocity both as
    tangent and as target; the student begins as the teacher; learning rate 1e-5. `restriction` is R, of which the paper
    adopts 0.2 over 0.4 for fewer artefacts. Optimiser (AdamW here), batch size, iterations and how g is drawn are not
    published; here g ~ U(`guidance_min`, `guidance_max`) as in CFG distillation, and teacher and student are told it.

    `norm_power` and `norm_constant` are not the paper's: with a power above 0 samples are weighed as plain MeanFlow
    does (see `MeanFlowTraining`), for a teacher whose guided velocity turns so fast at high noise that a few samples
    would drown all others.

    `second_time` `average` is HunyuanVideo 1.0's, `sum` HunyuanVideo 1.5's (Tencent-Hunyuan/DisCa@ea88975). Under
    `average` the student equals the teacher only at r = t, so early training has to undo what r changes.
    """

    restriction: float = 0.2
    norm_constant: float = 0.01
    norm_power: float = 0.0
    guidance_min: float = 1.0
    guidance_max: float = 8.0
    second_time: SecondTime = "sum"
    second_time_value: SecondTimeValue = "r"
    learning_rate: float = 1e-5
    weight_decay: float = 0.0
    ema_decay: float | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not 0 < self.restriction <= 1:
            raise ValueError(f"restriction is {self.restriction}; give more than 0 and at most 1 (all of it)")
        if not 0 < self.guidance_min <= self.guidance_max:
            raise ValueError(f"guidance is drawn from {self.guidance_min} to {self.guidance_max}; give 0 < min <= max")


def draw_times(config: RestrictedMeanFlowTraining, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(t, r) of a batch."""
    interval = uniform(batch, 0.0, config.restriction, generator)
    t = uniform(batch, 0.0, 1.0, generator)
    return t, (t - interval).clamp(min=0.0)


def train_restricted_meanflow(
    family: Family,
    transformer: nn.Module,
    teacher: Path,
    batches: Batches,
    config: RestrictedMeanFlowTraining,
    loop: LoopConfig,
    folder: Path,
    report: Report | None = None,
    dtype: torch.dtype = torch.float32,
) -> Rung:
    """Train the rung `restricted_meanflow` from the `cfg_distilled` rung in the folder `teacher`, into `folder`.

    `transformer` says the architecture and is left alone; `batches` gives a `FlowBatch`, of whose arguments only those
    with the condition are used. Everything is computed in float32; `dtype` is what is written.

    Raises:
        RungError: the teacher's folder; see `read_student`.
        TrainingError: the student does not begin as the teacher, or see `train`.
    """
    taught_by, parent = read_teacher(teacher, family, transformer)
    student = new_student(taught_by, config.second_time, config.second_time_value)
    variant = Variant(
        KIND,
        lambda batch, generator: draw_times(config, batch, generator),
        Tensor.mean
        if config.norm_power == 0
        else lambda squared: adaptive_loss(squared, config.norm_constant, config.norm_power),
        (config.guidance_min, config.guidance_max),
        asdict(config),
    )
    trained = Trained(
        student,
        config.learning_rate,
        weight_decay=config.weight_decay,
        ema_decay=config.ema_decay,
        blocks=student.blocks,
    )
    return train_mean_flow(variant, taught_by, parent, trained, batches, loop, folder, report, dtype)
