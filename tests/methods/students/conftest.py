"""Rungs with random weights for tiny pipelines."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from methods.students.student import Student, write_student


@pytest.fixture
def write_random():
    """Write a rung of a tiny pipeline's shapes, far enough from it that nothing is by chance the same."""

    def write(folder, family, pipeline, config, *, kind="restricted_meanflow", guidance_range=None):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            student = Student.beside(family, family.transformer(pipeline), config)
            for parameter in student.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        write_student(folder, student, kind=kind, parent="0" * 64, guidance_range=guidance_range, provenance={})
        return student

    return write


@pytest.fixture
def one_call():
    """The tiny sampling with one call a step."""

    def get(family, num_inference_steps=4):
        sampling = family.tiny_sampling()
        return dataclasses.replace(
            sampling, num_inference_steps=num_inference_steps, guidance_scale=1.0, true_cfg_scale=None
        )

    return get


@pytest.fixture
def merged():
    """A transformer that is DCM's detail expert by itself: additions in its weights, own modules in their places."""

    @torch.no_grad()
    def make(transformer, detail, scale):
        made = copy.deepcopy(transformer)
        state = made.state_dict()
        for name, value in detail.items():
            where, _, rest = name.partition(".")
            if where == "own":
                state[rest].copy_(value)
            elif rest.endswith(".up.weight"):
                layer = rest.removesuffix(".up.weight")
                state[f"{layer}.weight"] += scale * value @ detail[f"low_rank.{layer}.down.weight"]
        return made

    return make
