"""A DCM student as a rung: both experts' weights, and at which timestep one hands over to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from methods.students.detail_expert import DetailConfig
from methods.students.rung import CARD, Rung, RungError, with_prefix, write_rung

KIND = "dcm"
SEMANTIC, DETAIL = "semantic", "detail"
"""Prefixes of the tensors: a whole transformer's, and a `DetailExpert`'s."""


@dataclass(frozen=True, slots=True)
class DualExpertConfig:
    """What a DCM rung is made of.

    The detail expert makes the calls whose timestep, without what is behind the point, is at most `switch_timestep`,
    the semantic one those before. `guidance_scale` is what a transformer that embeds a guidance scale was told in
    training and is told again, None where it embeds none.
    """

    switch_timestep: int
    guidance_scale: float | None = None
    detail: DetailConfig = field(default_factory=DetailConfig)

    @classmethod
    def of(cls, rung: Rung) -> Self:
        """What a rung's card says.

        Raises:
            RungError: a field is missing, unknown or impossible.
        """
        found = dict(rung.config)
        try:
            return cls(detail=DetailConfig(**found.pop("detail")), **found)
        except (KeyError, TypeError, ValueError) as error:
            raise RungError(f"{CARD} of a {rung.kind} does not say what its experts are: {error}") from error


def write_dcm(
    folder: Path,
    semantic: Mapping[str, Tensor],
    detail: Mapping[str, Tensor],
    config: DualExpertConfig,
    *,
    family: str,
    parent: str,
    provenance: Mapping[str, Any],
    dtype: torch.dtype | None = None,
) -> Rung:
    """Write both experts' state dictionaries as a rung, in their own types or `dtype`.

    `parent` is the `weights_sha256` of the rung they were distilled from, or the digest of a transformer.
    """
    tensors = {**with_prefix(semantic, SEMANTIC), **with_prefix(detail, DETAIL)}
    return write_rung(
        folder,
        kind=KIND,
        family=family,
        parent=parent,
        config=asdict(config),
        provenance=provenance,
        tensors={name: value if dtype is None else value.to(dtype) for name, value in tensors.items()},
    )
