"""Plain MeanFlow: any interval, (t, r) drawn and errors weighed as the original does, distilled from a teacher."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import SecondTime, SecondTimeValue
from methods.students.rung import Rung
from methods.training.loop import Batches, LoopConfig, Report, Trained
from methods.training.mean_flow_identity import Variant, adaptive_loss, new_student, read_teacher, train_mean_flow

KIND = "meanflow"


@dataclass(frozen=True, slots=True)
class MeanFlowTraining:
    """Hyper-parameters of plain MeanFlow.

    Source: Geng et al., "Mean Flows for One-step Generative Modeling", arXiv 2505.13447; repository
    Gsunshine/meanflow, its defaults: t and r are the larger and the smaller of two draws from
    sigmoid(N(`time_mean`, `time_std`)), a share `equal_share` of the batch has r = t, and a sample's summed squared
    error is divided by its own constant (error + `norm_constant`)^`norm_power`; AdamW's second beta 0.95.

    Differences: v is the velocity of the CFG-distilled teacher, told g ~ U(`guidance_min`, `guidance_max`), where the
    original trains from data with a guided target of its own (omega, kappa); the learning rate is that of DisCa's
    distillations, 1e-5 in place of 1e-4 from scratch, and there is no class dropout. Each sample has r = t with
    probability `equal_share`, where upstream cuts that share off each batch. `second_time` and `second_time_value`
    choose how r is embedded: (`sum`, `interval`) is the original's (t, t - r), (`average`, `r`) HunyuanVideo 1.0's,
    (`sum`, `r`) HunyuanVideo 1.5's.
    """

    time_mean: float = -0.4
    time_std: float = 1.0
    equal_share: float = 0.75
    norm_constant: float = 0.01
    norm_power: float = 1.0
    guidance_min: float = 1.0
    guidance_max: float = 8.0
    second_time: SecondTime = "sum"
    second_time_value: SecondTimeValue = "r"
    learning_rate: float = 1e-5
    beta2: float = 0.95
    weight_decay: float = 0.0
    ema_decay: float | None = 0.9999

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not 0 <= self.equal_share < 1:
            raise ValueError(f"equal_share is {self.equal_share}; give 0 or more and less than 1")
        if not 0 < self.guidance_min <= self.guidance_max:
            raise ValueError(f"guidance is drawn from {self.guidance_min} to {self.guidance_max}; give 0 < min <= max")


def draw_times(config: MeanFlowTraining, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(t, r) of a batch."""
    draws = torch.randn(2, batch, generator=generator) * config.time_std + config.time_mean
    t, r = draws.sigmoid().sort(dim=0, descending=True).values
    equal = torch.rand(batch, generator=generator) < config.equal_share
    return t, torch.where(equal, t, r)


def train_meanflow(
    family: Family,
    transformer: nn.Module,
    teacher: Path,
    batches: Batches,
    config: MeanFlowTraining,
    loop: LoopConfig,
    folder: Path,
    report: Report | None = None,
    dtype: torch.dtype = torch.float32,
) -> Rung:
    """Train the rung `meanflow` from the `cfg_distilled` rung in the folder `teacher` and write it to `folder`.

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
        lambda squared: adaptive_loss(squared, config.norm_constant, config.norm_power),
        (config.guidance_min, config.guidance_max),
        asdict(config),
    )
    trained = Trained(
        student,
        config.learning_rate,
        betas=(0.9, config.beta2),
        weight_decay=config.weight_decay,
        ema_decay=config.ema_decay,
        blocks=student.blocks,
    )
    return train_mean_flow(variant, taught_by, parent, trained, batches, loop, folder, report, dtype)
