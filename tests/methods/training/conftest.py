"""Tiny teachers, batches for them, and short loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from methods.students.conditioning import ConditioningConfig
from methods.students.student import Student, write_student
from methods.training.loop import LoopConfig


def arguments_of(family, transformer, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Any]]:
    """Random latents and the other arguments of a call but for the timestep."""
    arguments = dict(family.transformer_calls(transformer, family.tiny_sampling())[0].arguments)
    latents = torch.randn(batch, *arguments.pop("hidden_states").shape[1:], generator=generator)
    del arguments["timestep"], arguments["return_dict"]
    for name, value in arguments.items():
        arguments[name] = torch.randn(batch, *value.shape[1:], generator=generator)
    fixed = {"encoder_attention_mask": torch.ones, "guidance": lambda shape: torch.full(shape, 6000.0)}
    arguments |= {name: make(arguments[name].shape) for name, make in fixed.items() if name in arguments}
    return latents, arguments


@pytest.fixture
def batches():
    """Random batches for a family's tiny transformer."""

    def of(family, transformer, batch=4):
        def draw(generator: torch.Generator) -> tuple[Tensor, Mapping[str, Any], Mapping[str, Any]]:
            latents, cond = arguments_of(family, transformer, batch, generator)
            _, uncond = arguments_of(family, transformer, batch, generator)
            return latents, cond, uncond

        return draw

    return of


@pytest.fixture
def loop():
    """A few iterations on the CPU."""

    def of(iterations=2, **changed):
        return replace(LoopConfig(iterations, device="cpu", checkpoint_every=2), **changed)

    return of


@pytest.fixture
def random_student():
    """A student of a tiny transformer whose conditions matter."""

    def of(family, transformer, config):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            student = Student.beside(family, transformer, config)
            for parameter in student.conditioning.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return student

    return of


@pytest.fixture
def write_student_of_kind(random_student, tmp_path):
    """Write a student of a tiny transformer that is told guidance, and say where."""

    def write(family, transformer, kind, guidance="added"):
        student, folder = random_student(family, transformer, ConditioningConfig(guidance)), tmp_path / "teacher"
        write_student(folder, student, kind=kind, parent="0" * 64, guidance_range=(1, 8), provenance={})
        return folder

    return write


@pytest.fixture
def taught(write_student_of_kind):
    """The folder of a CFG-distilled teacher of a tiny transformer."""
    return lambda family, transformer, guidance="added": write_student_of_kind(
        family, transformer, "cfg_distilled", guidance
    )
