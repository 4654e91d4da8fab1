"""One video on the meta device: the method's own code, call for call, under the FLOP counter."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from harness.cost.activations import peak_live_bytes
from harness.cost.meta_meter import MetaFlopMeter
from harness.cost.models import Config, empty_transformer, model_bytes
from harness.cost.remembered_ops import RememberedOps
from harness.cost.stand_in import set_timesteps, stand_in_pipeline
from methods.base import Decision, Method, Sampling
from methods.families.base import Family, TransformerCall
from methods.students.in_force import StudentSource, student_in_force


@dataclass(frozen=True)
class Replayed:
    """What one video of a row takes."""

    flops: int
    """Of the denoiser, a multiply-add counting 2."""
    cache_bytes: int
    """What the method holds at the end, which is the most it held."""
    decisions: tuple[Decision, ...]
    added_weight_bytes: int
    """Of the modules that the method adds to the transformer, such as a predictor; a student's embedders are not."""

    def full_steps(self) -> int:
        """Steps in which every call computed everything."""
        cached = {decision.step_index for decision in self.decisions if decision.action != "compute"}
        return len({decision.step_index for decision in self.decisions} - cached)


class MetaModel:
    """A model without weights on which videos are replayed. Costs that are known once stay known."""

    def __init__(self, family: Family, architecture: Config, dtype: str, student: StudentSource | None = None) -> None:
        """Build the transformer on the meta device, and put the student that the model runs in its place."""
        self.family = family
        self._architecture, self._dtype = architecture, dtype
        self._transformer = empty_transformer(family, architecture, dtype)
        self._pipeline = stand_in_pipeline(family, architecture, self._transformer)
        self._always = ExitStack()
        if student is not None:
            self._always.enter_context(student_in_force(self._pipeline, family, student))
        self._meter = self._always.enter_context(MetaFlopMeter(self._transformer, family))
        self._ops = RememberedOps()
        self._full: dict[Sampling, int] = {}
        self._weights: dict[str, int] | None = None

    def close(self) -> None:
        """Take the meter off."""
        self._always.close()

    def model_bytes(self) -> dict[str, int]:
        """Bytes of the weights by component."""
        if self._weights is None:
            self._weights = model_bytes(self.family, self._architecture, self._dtype)
        return self._weights

    def full_call_flops(self, sampling: Sampling) -> int:
        """What the dearest transformer call of a step costs with nothing skipped."""
        key = replace(sampling, num_inference_steps=1)
        if key not in self._full:
            self._full[key] = max(self._call_flops(call) for call in self._calls(sampling))
        return self._full[key]

    def full_step_flops(self, sampling: Sampling) -> int:
        """What all transformer calls of a step cost with nothing skipped."""
        return sum(self._call_flops(call) for call in self._calls(sampling))

    @torch.no_grad()
    def peak_activation_bytes(self, sampling: Sampling) -> int:
        """The most that one whole call has alive beside the weights; see `peak_live_bytes`."""
        self.full_call_flops(sampling)
        with self._meter.running_all(), self._ops:
            return max(peak_live_bytes(self._transformer, call.arguments) for call in self._calls(sampling))

    @torch.no_grad()
    def replay(self, method: Method, sampling: Sampling, trace: Sequence[Decision] | None) -> Replayed:
        """Make a video's transformer calls with the method in force; an adaptive one does what `trace` says."""
        family, pipeline = self.family, self._pipeline
        # What a part does itself, beside the parts below it, is learned from a call that skips nothing.
        self.full_call_flops(sampling)
        calls, own_bytes = self._calls(sampling), _state_bytes(self._transformer)
        with family.scheduled(pipeline, sampling):
            set_timesteps(pipeline, sampling)
            with method.apply(pipeline, family) as applied:
                if trace is not None:
                    applied.follow(trace)
                self._meter.look()
                self._meter.reset()
                for _ in range(sampling.num_inference_steps):
                    for call in calls:
                        self._call(call)
                added = _state_bytes(self._transformer) - own_bytes
                replayed = Replayed(self._meter.denoiser_flops(), applied.cache_bytes(), applied.decisions(), added)
        self._meter.look()
        return replayed

    def _calls(self, sampling: Sampling) -> Sequence[TransformerCall]:
        return self.family.transformer_calls(self._transformer, sampling)

    @torch.no_grad()
    def _call_flops(self, call: TransformerCall) -> int:
        self._meter.reset()
        self._call(call)
        return self._meter.denoiser_flops()

    def _call(self, call: TransformerCall) -> None:
        transformer: Any = self._transformer
        context = nullcontext() if call.context_name is None else transformer.cache_context(call.context_name)
        with self._ops, context:
            transformer(**call.arguments)


def _state_bytes(module: nn.Module) -> int:
    """Of all parameters and buffers."""
    return sum(value.nbytes for value in (*module.parameters(), *module.buffers()))
