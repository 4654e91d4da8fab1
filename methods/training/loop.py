"""The loop all rungs are trained by: seeded, resumable, averaged, on one device or several through accelerate."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn

from methods.training.checkpoints import Checkpoint, Part, read_latest, write_checkpoint
from methods.training.checkpoints import TrainingError as TrainingError  # of the loop, for all who use it
from methods.training.muon import MuonWithAdamW, split_parameters


@dataclass(frozen=True, slots=True)
class Trained:
    """A module that is trained, and how. With `ema_decay` an average of its weights is kept in float32.

    `betas` are AdamW's. `blocks` is the part of the module whose weight matrices Muon trains where the loop asks for
    it; None leaves all to AdamW.
    """

    module: nn.Module
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    ema_decay: float | None = None
    blocks: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How long and on what.

    The learning rate rises linearly over `warmup_iterations`, is constant after, and falls linearly to nothing over the
    last `cooldown_iterations`. `optimizer` is what the papers use, or `muon` for matrices of blocks with AdamW for the
    rest (see `methods.training.muon`). `precision` is that of activations under autocast; weights, gradients and
    optimiser states are in float32 always. `gradient_clip_norm` None leaves gradients as they are. `device` is `auto`
    for what accelerate finds or `cpu`.
    """

    iterations: int
    seed: int = 0
    optimizer: Literal["adamw", "muon"] = "adamw"
    warmup_iterations: int = 0
    cooldown_iterations: int = 0
    gradient_clip_norm: float | None = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint_every: int = 250
    device: Literal["auto", "cpu"] = "auto"

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("iterations", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")

    def share_of_rate(self, iteration: int) -> float:
        """Of the learning rate, in (0, 1], that the iteration with this index from 0 takes."""
        rising = (iteration + 1) / self.warmup_iterations if self.warmup_iterations else 1.0
        falling = (self.iterations - iteration) / self.cooldown_iterations if self.cooldown_iterations else 1.0
        return min(1.0, rising, falling)


@dataclass(frozen=True, slots=True)
class LossValues:
    """Losses of one iteration, scalars.

    `minimized` has the loss of each module that learns in this iteration, by the module's name: its gradient reaches
    that module alone, and all modules step after all gradients are known. `logged` is only reported.
    """

    minimized: Mapping[str, Tensor]
    logged: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training is after `iteration` of `iterations`: what is minimised and logged, by name, and seconds.

    Losses are those of the main process's share of the batch; gradient norms are of the averaged gradient, before
    clipping.
    """

    iteration: int
    iterations: int
    losses: Mapping[str, float]
    gradient_norms: Mapping[str, float]
    spent_s: float
    eta_s: float


Losses = Callable[[Mapping[str, nn.Module], Any, torch.Generator, int], LossValues]
"""Of the modules by name, a batch, the iteration's generator and its index from 0.

Where an average of a module's weights is kept, it is among the modules as `<name>.average`.
"""

Batches = Callable[[torch.Generator], Any]
"""A batch drawn with this generator: a nest of tuples and dictionaries of tensors, on any device."""

Report = Callable[[Progress], None]


def iteration_generator(seed: int, process: int, iteration: int) -> torch.Generator:
    """All randomness of one iteration on one process: a CPU generator, so a resumed training needs no state of it."""
    digest = hashlib.sha256(f"{seed} {process} {iteration}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def device_of(config: LoopConfig) -> torch.device:
    """Where the training runs; teachers must be moved there."""
    device: torch.device = _accelerator(config).device
    return device


def provenance(config: LoopConfig, settings: Mapping[str, Any], began_s: float) -> dict[str, Any]:
    """What every rung's card says of its training, which began `began_s` seconds after the epoch."""
    return {
        "settings": dict(settings),
        "iterations": config.iterations,
        "seed": config.seed,
        "optimizer": config.optimizer,
        "precision": config.precision,
        "device": str(device_of(config)),
        "torch": torch.__version__,
        "finished_after_s": round(time.time() - began_s, 1),
    }


def once(config: LoopConfig, write: Callable[[], object]) -> None:
    """Call `write` in one of the training's processes, and let all go on when it is done."""
    accelerator = _accelerator(config)
    if accelerator.is_main_process:
        write()
    accelerator.wait_for_everyone()


def _accelerator(config: LoopConfig) -> Accelerator:
    # Autocast is the loop's own: accelerate's precision is one for the whole process, and rungs differ in theirs.
    return Accelerator(mixed_precision="no", cpu=config.device == "cpu")


def train(
    trained: Mapping[str, Trained],
    losses: Losses,
    batches: Batches,
    config: LoopConfig,
    folder: Path,
    report: Report | None = None,
) -> dict[str, nn.Module]:
    """Train until `config.iterations`, continuing from the last checkpoint in `folder` if there is one.

    The modules are moved to the device and changed in place. Returns, by name, the averaged copies where there is an
    average and the modules themselves elsewhere, all in eval mode.

    Raises:
        TrainingError: a loss is not finite, a minimised name is no module, or `folder` holds the checkpoint of another
            training.
    """
    return _Training(trained, losses, batches, config, folder, report).run()


class _Training:
    def __init__(
        self,
        trained: Mapping[str, Trained],
        losses: Losses,
        batches: Batches,
        config: LoopConfig,
        folder: Path,
        report: Report | None,
    ) -> None:
        self._trained, self._losses, self._batches = trained, losses, batches
        self._config, self._folder, self._report = config, folder, report
        self._accelerator = _accelerator(config)
        device = self._accelerator.device
        for one in trained.values():
            one.module.to(device)
        self._averages = {
            name: copy.deepcopy(one.module).float().eval().requires_grad_(False)
            for name, one in trained.items()
            if one.ema_decay is not None
        }
        self._optimizers = {name: _optimizers(one, muon=config.optimizer == "muon") for name, one in trained.items()}
        self._prepared: dict[str, nn.Module] = {
            name: self._accelerator.prepare(one.module) for name, one in trained.items()
        }
        self._seen = self._prepared | {f"{name}.average": average for name, average in self._averages.items()}

    def run(self) -> dict[str, nn.Module]:
        """See `train`."""
        config, spent_s = self._config, 0.0
        first, spent_s = self._resume()
        began = time.perf_counter() - spent_s
        for iteration in range(first, config.iterations):
            values, norms = self._iterate(iteration)
            done, spent_s = iteration + 1, time.perf_counter() - began
            if self._report is not None and self._accelerator.is_main_process:
                eta_s = spent_s / done * (config.iterations - done)
                self._report(Progress(done, config.iterations, values, norms, spent_s, eta_s))
            if done % config.checkpoint_every == 0 or done == config.iterations:
                self._save(done, spent_s)
        return {name: self._averages.get(name, one.module).eval() for name, one in self._trained.items()}

    def _iterate(self, iteration: int) -> tuple[dict[str, float], dict[str, float]]:
        generator = iteration_generator(self._config.seed, self._accelerator.process_index, iteration)
        batch = send_to_device(self._batches(generator), self._accelerator.device)
        with torch.autocast(
            self._accelerator.device.type, torch.bfloat16, enabled=self._config.precision == "bfloat16"
        ):
            # Losses draw from the same generator, after the batch.
            found = self._losses(self._seen, batch, generator, iteration)
        values = {name: float(value.detach()) for name, value in {**found.logged, **found.minimized}.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(f"loss {name} is {value} in iteration {iteration}; lower the learning rate")
        self._backward(found.minimized)
        norms = {name: self._step(name, iteration) for name in found.minimized}
        return values, norms

    def _backward(self, minimized: Mapping[str, Tensor]) -> None:
        unknown = sorted(set(minimized) - set(self._trained))
        if unknown or not minimized:
            raise TrainingError(f"losses are minimised for {unknown or 'nothing'}; modules are {sorted(self._trained)}")
        left = len(minimized)
        for name, value in minimized.items():
            left -= 1
            inputs = [parameter for parameter in self._trained[name].module.parameters() if parameter.requires_grad]
            self._accelerator.backward(value, inputs=inputs, retain_graph=left > 0)

    def _step(self, name: str, iteration: int) -> float:
        one, limit = self._trained[name], self._config.gradient_clip_norm
        norm = nn.utils.clip_grad_norm_(one.module.parameters(), math.inf if limit is None else limit)
        rate = one.learning_rate * self._config.share_of_rate(iteration)
        for optimizer in self._optimizers[name]:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if one.ema_decay is not None:
            _average(self._averages[name], one.module, one.ema_decay)
        return float(norm)

    def _parts(self) -> Iterator[Part]:
        for name, one in self._trained.items():
            yield name, one.module, self._optimizers[name], self._averages.get(name)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a training to be continued; it may be made longer."""
        config = self._config
        return {
            "seed": config.seed,
            "optimizer": config.optimizer,
            "warmup_iterations": config.warmup_iterations,
            "cooldown_iterations": config.cooldown_iterations,
            "gradient_clip_norm": config.gradient_clip_norm,
            "precision": config.precision,
            "processes": self._accelerator.num_processes,
            "trained": {
                name: [one.learning_rate, *one.betas, one.weight_decay, one.ema_decay]
                for name, one in self._trained.items()
            },
        }

    def _save(self, done: int, spent_s: float) -> None:
        checkpoint = Checkpoint(done, spent_s, self._identity())
        once(self._config, lambda: write_checkpoint(self._folder, checkpoint, list(self._parts())))

    def _resume(self) -> tuple[int, float]:
        found = read_latest(self._folder, list(self._parts()), self._identity())
        return (0, 0.0) if found is None else (found.iteration, found.spent_s)


def _optimizers(trained: Trained, *, muon: bool) -> tuple[torch.optim.Optimizer, ...]:
    rate, decay = trained.learning_rate, trained.weight_decay
    if not muon or trained.blocks is None:
        return (torch.optim.AdamW(trained.module.parameters(), lr=rate, betas=trained.betas, weight_decay=decay),)
    matrices, others = split_parameters(trained.module, trained.blocks)
    return MuonWithAdamW(matrices, others, rate, decay, betas=trained.betas).parts


@torch.no_grad()
def _average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move every parameter of the average towards the module's; buffers are taken over."""
    for old, new in zip(average.parameters(), module.parameters(), strict=True):
        old.lerp_(new.float(), 1 - decay)
    for held, current in zip(average.buffers(), module.buffers(), strict=True):
        held.copy_(current)
