"""A student: a transformer that also takes guidance scale and end of the step, and how it is kept as a rung."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from methods.families.base import Family
from methods.students.conditioning import (
    TIMESTEPS,
    Conditioning,
    ConditioningConfig,
    Conditions,
    conditioned,
    native_guidance,
)
from methods.students.differences import from_differences
from methods.students.rung import (
    CARD,
    Rung,
    RungError,
    check_prefixes,
    load_strictly,
    read_card,
    read_tensors,
    state_digest,
    under,
    with_prefix,
)
from methods.students.rung import write_rung as write_folder

TRANSFORMER, CONDITIONING, SCALES = "transformer", "conditioning", "scales"
"""Prefixes of the tensors of a student's rung; the last is there where the transformer's are differences."""


class Student(nn.Module):
    """A velocity of latents under conditions: v = noise - x0 at r = t, its mean from r to t elsewhere.

    Times are in [0, 1]; the transformer is called with 1000 t.
    """

    def __init__(self, family: Family, transformer: nn.Module, config: ConditioningConfig) -> None:
        """Around `transformer`, which is not copied; conditions start as `Conditioning.start` has them.

        Raises:
            ValueError: the family has no time embedding to add to, or `native` guidance is asked of a transformer
                that has none.
        """
        super().__init__()
        if config.guidance == "native" and family.guidance_embedder(transformer) is None:
            raise ValueError(f"this {type(transformer).__name__} embeds no guidance itself; give guidance 'added'")
        time_embedding = family.time_embedding(transformer)
        self.family, self.config = family, config
        self.transformer = transformer
        self.conditioning = Conditioning(config, time_embedding)
        self.conditioning.start(time_embedding)

    @classmethod
    def beside(cls, family: Family, teacher: nn.Module, config: ConditioningConfig) -> Self:
        """A student of a transformer, around a trainable copy of it in float32."""
        transformer = copy.deepcopy(teacher).float().eval().requires_grad_(True)
        return cls(family, transformer, config)

    @property
    def blocks(self) -> nn.ModuleList:
        """All blocks of the transformer."""
        return nn.ModuleList([blocks for _, blocks in self.family.block_lists(self.transformer)])

    def forward(
        self,
        latents: Tensor,
        t: Tensor,
        arguments: Mapping[str, Any],
        *,
        r: Tensor | None = None,
        guidance: Tensor | None = None,
    ) -> Tensor:
        """The velocity, shaped like `latents` `(batch, channels, frames, height, width)`.

        `t`, `r` and `guidance` have shape `(batch,)`; `arguments` are the transformer's others.
        """
        given = dict(arguments)
        if self.config.guidance == "native":
            if guidance is None:
                raise ValueError("this student takes guidance and was called without; give it")
            given["guidance"] = native_guidance(guidance, latents.shape[0])
        time_embedding = self.family.time_embedding(self.transformer)
        with conditioned(self.conditioning, time_embedding, Conditions(guidance, t, r)):
            return velocity(self.transformer, latents, t, given)

    def tensors(self) -> dict[str, Tensor]:
        """What its rung holds."""
        return {
            **with_prefix(self.transformer.state_dict(), TRANSFORMER),
            **with_prefix(self.conditioning.state_dict(), CONDITIONING),
        }


def velocity(transformer: nn.Module, latents: Tensor, t: Tensor, arguments: Mapping[str, Any]) -> Tensor:
    """What a bare transformer says at times `t` in [0, 1], of shape `(batch,)`."""
    output: Tensor = transformer(hidden_states=latents, timestep=TIMESTEPS * t, **{**arguments, "return_dict": False})[
        0
    ]
    return output


def write_student(
    folder: Path,
    student: Student,
    *,
    kind: str,
    parent: str,
    guidance_range: tuple[float, float] | None,
    provenance: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
) -> Rung:
    """Write a student as a rung, its transformer's weights in `dtype`; the conditions' embedders stay in float32.

    `guidance_range` is that of the scales it was trained with, None for a student that takes none.
    """
    tensors = {
        name: value.to(dtype) if name.startswith(f"{TRANSFORMER}.") and value.is_floating_point() else value
        for name, value in student.tensors().items()
    }
    return write_folder(
        folder,
        kind=kind,
        family=student.family.name,
        parent=parent,
        config={"conditioning": student.config.as_json(), "guidance_range": guidance_range},
        provenance=provenance,
        tensors=tensors,
    )


def read_student(folder: Path, family: Family, transformer: nn.Module, *, kinds: tuple[str, ...]) -> Student:
    """The student in a rung's folder, around a copy of `transformer` in float32, which says the architecture.

    Raises:
        RungError: see `read_card`, `read_weights`; or the weights do not fit the architecture.
    """
    rung = read_card(folder, kinds=kinds, family=family.name)
    student = Student.beside(family, transformer, conditioning_of(rung))
    own, embedders = read_weights(folder, rung, transformer)
    load_strictly(student.transformer, own, folder)
    load_strictly(student.conditioning, embedders, folder)
    return student


def read_weights(folder: Path, rung: Rung, transformer: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights of a student's transformer and those of its embedders, on the CPU, however the rung keeps them.

    `transformer` is the one of the pipeline, with its own weights in it.

    Raises:
        RungError: see `read_tensors`; the rung holds tensors of something else, or differences to another transformer.
    """
    tensors = read_tensors(folder, rung)
    if rung.storage is None or rung.storage.format != "int8_differences":
        check_prefixes(tensors, (TRANSFORMER, CONDITIONING), folder)
        return under(tensors, TRANSFORMER), under(tensors, CONDITIONING)
    check_prefixes(tensors, (TRANSFORMER, CONDITIONING, SCALES), folder)
    base = transformer.state_dict()
    digest = state_digest(base, in_float32=True)
    if digest != rung.storage.base:
        raise RungError(
            f"{folder} holds differences to the transformer {str(rung.storage.base)[:12]}, this one is {digest[:12]}; "
            "run it on the pipeline it was packed for, loaded as float32 or in the type of its files"
        )
    own = from_differences(under(tensors, TRANSFORMER), under(tensors, SCALES), base, folder)
    return own, under(tensors, CONDITIONING)


def conditioning_of(rung: Rung) -> ConditioningConfig:
    """The conditions that a student's rung takes.

    Raises:
        RungError: its configuration does not say, or says something unknown.
    """
    try:
        return ConditioningConfig.from_json(rung.config["conditioning"])
    except (KeyError, TypeError, ValueError) as error:
        raise RungError(f"{CARD} of a {rung.kind} does not say which conditions it takes: {error}") from error
